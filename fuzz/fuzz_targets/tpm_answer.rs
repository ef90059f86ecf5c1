//! Any bytes as what a TPM answers, one answer after the other: an error, or what was read. A certificate and a report
//! are never longer than they may be, and a quote always has all registers and the data that was asked for.
#![no_main]

use std::io::{self, Read, Write};

use casque_attester::{AzureVm, Collected, GuestData, Tcti, Wait, Waiter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let carried = GuestData::of_no_request([0; 64]);
    let script = Script {
        rest: bytes.to_vec(),
        open: Vec::new(),
    };
    let Ok(vm) = AzureVm::read(script, &Tcti::default(), &Twice, &carried) else {
        return;
    };
    assert!(vm.hcl.len() <= 16 * 1024);
    assert!(vm.ak_certificate.len() <= 8 * 1024);
    assert_eq!(vm.quote.pcrs.len(), 24);
    assert!(vm.hcl.len() + vm.ak_certificate.len() + vm.quote.message.len() <= bytes.len());
    let vek = None;
    assert!(Collected::AzureSnp { vm, vek }.carries(&carried));
});

/// Answers each command with as many bytes as the next header states.
struct Script {
    rest: Vec<u8>,
    open: Vec<u8>,
}

impl Write for Script {
    fn write(&mut self, command: &[u8]) -> io::Result<usize> {
        let size = self.rest.get(2..6).and_then(|size| size.try_into().ok());
        let size = size.map_or(0, u32::from_be_bytes) as usize;
        let size = size.clamp(10, 5000).min(self.rest.len());
        self.open = self.rest.drain(..size).collect();
        Ok(command.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.open.len().min(buffer.len()).min(1500);
        buffer[..count].copy_from_slice(&self.open[..count]);
        self.open.drain(..count);
        Ok(count)
    }
}

struct Twice;

impl Waiter for Twice {
    fn wait(&self, attempt: u32) -> Wait {
        if attempt < 2 { Wait::Again } else { Wait::GiveUp }
    }
}
