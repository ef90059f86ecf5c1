//! Gather Evidence inside the guest
