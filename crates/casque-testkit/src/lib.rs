//! Software TEE with true evidence formats under its own roots, and fakes for tests
