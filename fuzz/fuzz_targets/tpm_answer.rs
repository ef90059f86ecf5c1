//! Any bytes as what a TPM answers, one answer after the other: an error, or what was read. A certificate and a report
//! are never longer than they may be, and a quote always has all registers and the data that was asked for. A request
//! about the whole machine is JSON, and a token opens under the right inner key alone.
#![no_main]

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::LazyLock;

use casque_attester::{
    AzureVm, Collected, GuestData, GuestPlaces, GuestRequest, Tcti, TpmQuote, Wait, Waiter,
};
use casque_wire::AnyB64;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    request(bytes);
});

fn read(bytes: &[u8]) {
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
}

fn request(bytes: &[u8]) {
    let script = Script {
        rest: bytes.to_vec(),
        open: Vec::new(),
    };
    let tcti = Tcti::default();
    let request = GuestRequest::over(script, &tcti, &Twice, &COLLECTED, &[0x4E; 32], &PLACES);
    let Ok(request) = request else {
        return;
    };
    assert_eq!(request.tcg_log_bytes(), 0);
    let info: AnyB64 = request.attestation_info().parse().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.0).unwrap();
    assert_eq!(info["TpmInfo"]["PCRs"].as_array().unwrap().len(), 8);
    if let Ok(token) = request.open(SEALED) {
        assert_eq!(token, TOKEN);
    }
}

/// A machine on SNP.
static COLLECTED: LazyLock<Collected> = LazyLock::new(|| Collected::AzureSnp {
    vm: AzureVm {
        hcl: include_bytes!("../seeds/hcl/snp").to_vec(),
        quote: TpmQuote {
            message: Vec::new(),
            signature: Vec::new(),
            pcrs: Vec::new(),
        },
        ak_certificate: Vec::new(),
        ak_intermediates: Vec::new(),
    },
    vek: Some(String::new()),
});

static PLACES: LazyLock<GuestPlaces> = LazyLock::new(|| GuestPlaces {
    tcg_log: PathBuf::from("/nonexistent"),
    os_release: PathBuf::from("/nonexistent"),
});

/// Opens under the inner key that the TPM decrypts in the seed `swtpm-guest`.
const SEALED: &str = include_str!("../seeds/sealed_token/swtpm-guest");
/// With the nonce of 32 bytes 0x4E, and no other claims than an answer must have.
const TOKEN: &str = include_str!("../seeds/sealed_token/opened");

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
        if attempt < 2 {
            Wait::Again
        } else {
            Wait::GiveUp
        }
    }
}
