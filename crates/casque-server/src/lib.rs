//! casqued: the Casque server
