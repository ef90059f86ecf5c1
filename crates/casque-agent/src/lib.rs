//! casque-agent: attest, place files, start the program
