//! casque-dev: a local Entra ID, Key Vault, MAA and IMDS, the software TEE, and the demo
