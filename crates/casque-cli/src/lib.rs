//! casque: the command line of policy authors
