//! The firmware's log of what it measured, in the form of Linux's `binary_bios_measurements`: that a file is one, before
//! any of it leaves the machine. The service replays it against the registers; here its first event alone is looked at.
//!
//! The first event of a log for TPM 2.0 is in the older form, little-endian (TCG PC Client Platform Firmware Profile,
//! "SHA1 Event Log Entry Format" and "Specification ID Version Event"):
//!
//! | offset | bytes | meaning |
//! |--:|--:|---|
//! | 0 | 4 | register: 0 |
//! | 4 | 4 | kind: 3, `EV_NO_ACTION` |
//! | 8 | 20 | SHA-1 digest: zeros |
//! | 28 | 4 | length of the event's data |
//! | 32 | | its data: `Spec ID Event03`, a zero, then versions and algorithms |

/// Whether it is such a log, or none at all.
pub(super) fn is_boot_log(bytes: &[u8]) -> bool {
    bytes.is_empty() || has_header(bytes)
}

fn has_header(bytes: &[u8]) -> bool {
    let data = bytes
        .strip_prefix(&HEAD)
        .and_then(|rest| rest.split_first_chunk::<4>());
    let Some((size, rest)) = data else {
        return false;
    };
    let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
    let data = rest.get(..size);
    data.is_some_and(|data| data.starts_with(SIGNATURE))
}

/// Register, kind, digest.
const HEAD: [u8; 28] = {
    let mut head = [0; 28];
    head[4] = 3;
    head
};
const SIGNATURE: &[u8] = b"Spec ID Event03\0";

#[cfg(test)]
mod tests {
    use super::*;

    /// The first event of a log with SHA-1 and SHA-256, and the start of the next.
    fn log() -> Vec<u8> {
        let parts = [
            &[0, 0, 0, 0, 3, 0, 0, 0][..],
            &[0; 20],
            &[37, 0, 0, 0],
            b"Spec ID Event03\0",
            &[0, 0, 0, 0, 0, 2, 0, 2],
            &[2, 0, 0, 0, 4, 0, 20, 0, 11, 0, 32, 0, 0],
            &[0, 0, 0, 0, 8, 0, 0, 0],
        ];
        parts.concat()
    }

    #[test]
    fn log_with_its_header_is_one_and_so_is_none() {
        assert!(is_boot_log(&log()));
        assert!(is_boot_log(&log()[..32 + 37]));
        assert!(is_boot_log(b""));
    }

    #[test]
    fn log_with_another_header_is_none() {
        // Register, its other bytes, kind, digest, signature, the zero behind it.
        for at in [0, 3, 4, 7, 8, 27, 32, 46, 47] {
            let mut other = log();
            other[at] ^= 1;
            assert!(!is_boot_log(&other), "{at}");
        }
        let mut big_endian = log();
        big_endian[28..32].copy_from_slice(&[0, 0, 0, 37]);
        assert!(!is_boot_log(&big_endian));
    }

    #[test]
    fn log_whose_header_is_cut_is_none() {
        for end in 1..32 + 37 {
            assert!(!is_boot_log(&log()[..end]), "{end}");
        }
        // Data that are shorter than the signature.
        let mut shorter = log();
        shorter[28] = 15;
        assert!(!is_boot_log(&shorter));
        shorter[28] = 16;
        assert!(is_boot_log(&shorter));
    }

    #[test]
    fn other_files_are_none() {
        for bytes in [&b"root:*:19000:0:99999:7:::\n"[..], &[0; 64], &[0xFF; 64]] {
            assert!(!is_boot_log(bytes));
        }
    }
}
