//! Report data of one's own choice cannot be made.
use casque_types::ReportData;

fn main() {
    let _ = ReportData([0; 64]);
}
