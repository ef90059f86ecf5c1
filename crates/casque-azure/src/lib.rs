//! Entra ID, Azure Key Vault and Microsoft Azure Attestation on the wire
