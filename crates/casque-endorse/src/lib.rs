//! Fetch and cache endorsements: Intel PCS and PCCS
