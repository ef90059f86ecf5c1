//! Reports of the devices `/dev/sev-guest` and `/dev/tdx_guest` of Linux, by `ioctl`: the one crate of Casque with
//! unsafe code. Nothing is judged or parsed here.
//!
//! A crate of its own, since those that were looked at cannot be used: `sev` opens one fixed path, walks through the
//! host's table of certificates by pointers that the table itself gives, and needs a crate under a licence that
//! `deny.toml` does not have; there is none for TDX.
//!
//! Layouts and numbers: Linux, `include/uapi/linux/sev-guest.h` and `include/uapi/linux/tdx-guest.h`.
//!
//! ```text
//! snp_report_req           user_data[64] vmpl:u32 reserved[28]                                    96 bytes
//! snp_ext_report_req       snp_report_req certs_address:u64 certs_len:u32                         112 bytes
//! snp_report_resp          data[4000]                                                             4000 bytes
//! snp_guest_request_ioctl  msg_version:u8 req_data:u64 resp_data:u64 exitinfo2:u64                32 bytes
//! tdx_report_req           reportdata[64] tdreport[1024]                                          1088 bytes
//! ```

use std::io;
use std::os::fd::AsFd;
use std::ptr;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use thiserror::Error;

/// The length of the firmware's answer: a header of 32 bytes, the report, and room.
pub const SNP_ANSWER_BYTES: usize = 4000;

/// The length of a `TDREPORT`.
pub const TDREPORT_BYTES: usize = 1024;

/// What is asked of an SNP guest's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnpRequest {
    /// What the report is to carry.
    pub report_data: [u8; 64],
    /// The privilege level that it is to state, from 0 to 3; not below the guest's own.
    pub vmpl: u32,
}

/// Why an SNP guest's device gave no answer.
#[derive(Debug, Error)]
#[error("the device gives no report (firmware's error {}, host's error {})", .exit_info & 0xFFFF_FFFF, .exit_info >> 32)]
pub struct SnpRefusal {
    /// `exitinfo2`: the host's error in the upper half, the firmware's in the lower.
    pub exit_info: u64,
    /// What the operating system met.
    #[source]
    pub source: io::Error,
}

impl SnpRefusal {
    /// Whether the host's table of certificates did not fit.
    #[must_use]
    pub const fn is_too_short(&self) -> bool {
        self.exit_info >> 32 == 1
    }
}

/// The firmware's answer to a request for a report. With room in `certificates`, the host's table of certificates
/// is asked for too, and written there; the room must be a multiple of 4,096 bytes, at most 16,384.
///
/// # Errors
/// [`SnpRefusal`]
#[expect(unsafe_code, reason = "an ioctl")]
pub fn snp_report(
    device: impl AsFd,
    request: &SnpRequest,
    certificates: &mut [u8],
) -> Result<[u8; SNP_ANSWER_BYTES], SnpRefusal> {
    let mut report = ReportRequest {
        report_data: request.report_data,
        vmpl: request.vmpl,
        reserved: [0; 28],
    };
    let mut answer = Answer([0; SNP_ANSWER_BYTES]);
    let mut call = GuestRequest {
        message_version: 1,
        request: 0,
        answer: address(&mut answer),
        exit_info: 0,
    };
    let done = if certificates.is_empty() {
        call.request = address(&mut report);
        // SAFETY: `SNP_GET_REPORT` is defined for `GuestRequest`. The kernel reads 96 bytes at `request`, which is
        // `report`, and writes at most 4,000 at `answer`: both live, unborrowed, until the call has returned.
        unsafe { guest_request::<SNP_GET_REPORT>(&device, &mut call) }
    } else {
        let mut extended = ExtendedRequest {
            report,
            certificates: address_of(certificates.as_mut_ptr()),
            certificates_bytes: u32::try_from(certificates.len()).unwrap_or(u32::MAX),
        };
        call.request = address(&mut extended);
        // SAFETY: `SNP_GET_EXT_REPORT` is defined for `GuestRequest`. The kernel reads and writes 112 bytes at
        // `request`, which is `extended`, writes at most 4,000 at `answer`, and at most `certificates_bytes` at
        // `certificates`, whose room is no shorter (a slice of more than 4 GiB is refused by the kernel): all live,
        // unborrowed, until the call has returned.
        unsafe { guest_request::<SNP_GET_EXT_REPORT>(&device, &mut call) }
    };
    match done {
        Ok(()) => Ok(answer.0),
        Err(source) => Err(SnpRefusal {
            exit_info: call.exit_info,
            source,
        }),
    }
}

/// A `TDREPORT` over `report_data`: what the TDX module says of the guest, with a checksum that this machine alone
/// can check.
///
/// # Errors
/// What the operating system met.
#[expect(unsafe_code, reason = "an ioctl")]
pub fn tdx_report(device: impl AsFd, report_data: &[u8; 64]) -> io::Result<[u8; TDREPORT_BYTES]> {
    let mut request = TdxRequest {
        report_data: *report_data,
        report: [0; TDREPORT_BYTES],
    };
    // SAFETY: `TDX_CMD_GET_REPORT0` is defined for `TdxRequest`, which holds no pointer and for which every pattern
    // of bytes is a value.
    let call = unsafe { Updater::<TDX_CMD_GET_REPORT0, TdxRequest>::new(&mut request) };
    // SAFETY: as above; the kernel reads and writes the 1,088 bytes of `request`, which is borrowed by `call`.
    unsafe { ioctl(device, call) }?;
    Ok(request.report)
}

/// One request to the firmware.
///
/// # Safety
/// `OPCODE` must be defined for [`GuestRequest`]. `request`, `answer`, and what an [`ExtendedRequest`] points to, must be addresses of memory as `OPCODE` wants it,
/// which nobody else borrows during the call.
#[expect(unsafe_code, reason = "an ioctl")]
unsafe fn guest_request<const OPCODE: Opcode>(
    device: impl AsFd,
    call: &mut GuestRequest,
) -> io::Result<()> {
    // SAFETY: that `OPCODE` is defined for `GuestRequest` is the caller's promise.
    let call = unsafe { Updater::<OPCODE, GuestRequest>::new(call) };
    // SAFETY: the kernel reads and writes the 32 bytes of `call`; what they point to is the caller's promise.
    unsafe { ioctl(device, call) }?;
    Ok(())
}

fn address<T>(of: &mut T) -> u64 {
    address_of(ptr::from_mut(of))
}

/// Addresses have at most 64 bits on every machine with these devices; another address would be refused.
fn address_of<T>(pointer: *mut T) -> u64 {
    u64::try_from(pointer.expose_provenance()).unwrap_or(u64::MAX)
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ReportRequest {
    report_data: [u8; 64],
    vmpl: u32,
    reserved: [u8; 28],
}

#[repr(C)]
struct ExtendedRequest {
    report: ReportRequest,
    certificates: u64,
    certificates_bytes: u32,
}

#[repr(C)]
struct Answer([u8; SNP_ANSWER_BYTES]);

#[repr(C)]
struct GuestRequest {
    message_version: u8,
    request: u64,
    answer: u64,
    exit_info: u64,
}

#[repr(C)]
struct TdxRequest {
    report_data: [u8; 64],
    report: [u8; TDREPORT_BYTES],
}

const SNP_GET_REPORT: Opcode = opcode::read_write::<GuestRequest>(b'S', 0);
const SNP_GET_EXT_REPORT: Opcode = opcode::read_write::<GuestRequest>(b'S', 2);
const TDX_CMD_GET_REPORT0: Opcode = opcode::read_write::<TdxRequest>(b'T', 1);

#[cfg(test)]
mod tests;
