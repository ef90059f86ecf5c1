//! Explanations, ring 3: evidence as JSON becomes [`Evidence`], and how it was judged becomes JSON. Shared by the
//! server, which takes evidence on the wire and tells of attempts, and the CLI, which judges offline.

mod evidence;

pub use evidence::evidence_of;
