//! Explanations, ring 3: evidence as JSON becomes [`Evidence`](casque_appraise::Evidence), and how it was judged
//! becomes JSON. Shared by the server, which takes evidence on the wire and tells of attempts, and the CLI, which
//! judges offline. Judges nothing itself.

mod certificates;
mod endorsements;
mod evidence;
mod explanation;

pub use endorsements::{
    EndorsementsFile, EndorsementsFileError, MaaEndorsement, read_endorsements,
};
pub use evidence::evidence_of;
pub use explanation::{Explained, Failure, explanation};
