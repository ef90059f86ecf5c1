use std::fs::File;
use std::mem::{offset_of, size_of};

use assert_matches::assert_matches;

use super::*;

#[test]
fn layouts_are_those_of_the_kernel() {
    let sizes = [
        (size_of::<ReportRequest>(), 96),
        (size_of::<ExtendedRequest>(), 112),
        (size_of::<Answer>(), 4000),
        (size_of::<GuestRequest>(), 32),
        (size_of::<TdxRequest>(), 1088),
    ];
    for (found, expected) in sizes {
        assert_eq!(found, expected);
    }
    let offsets = [
        (offset_of!(ReportRequest, vmpl), 64),
        (offset_of!(ExtendedRequest, certificates), 96),
        (offset_of!(ExtendedRequest, certificates_bytes), 104),
        (offset_of!(GuestRequest, request), 8),
        (offset_of!(GuestRequest, answer), 16),
        (offset_of!(GuestRequest, exit_info), 24),
        (offset_of!(TdxRequest, report), 64),
    ];
    for (found, expected) in offsets {
        assert_eq!(found, expected);
    }
}

/// Direction, size, group and number, as all machines but a few old ones have them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn numbers_are_those_of_the_kernel() {
    assert_eq!(SNP_GET_REPORT, 0xC020_5300);
    assert_eq!(SNP_GET_EXT_REPORT, 0xC020_5302);
    assert_eq!(TDX_CMD_GET_REPORT0, 0xC440_5401);
}

#[test]
fn file_that_is_no_such_device_gives_no_report() {
    let file = File::open("/dev/null").unwrap();
    let request = SnpRequest {
        report_data: [1; 64],
        vmpl: 0,
    };
    for mut room in [Vec::new(), vec![0; 4096]] {
        let refused = snp_report(&file, &request, &mut room);
        assert_matches!(refused, Err(SnpRefusal { exit_info: 0, source })
            if source.raw_os_error() == Some(ENOTTY));
    }
    let refused = tdx_report(&file, &[1; 64]).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(ENOTTY));
}

#[test]
fn refusal_tells_the_firmwares_error_from_the_hosts() {
    let refusal = |exit_info| SnpRefusal {
        exit_info,
        source: io::ErrorKind::Other.into(),
    };
    let too_short = refusal(1 << 32);
    assert!(too_short.is_too_short());
    assert_eq!(
        too_short.to_string(),
        "the device gives no report (firmware's error 0, host's error 1)"
    );
    assert!(!refusal(1).is_too_short() && !refusal(2 << 32).is_too_short());
}

const ENOTTY: i32 = 25;
