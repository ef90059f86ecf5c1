//! Encrypted, versioned store on SQLite
