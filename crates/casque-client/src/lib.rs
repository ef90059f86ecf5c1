//! Typed client of a Casque server whose identity it has checked
