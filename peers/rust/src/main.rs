//! Azure's own client of `attest/AzureGuest`, azure-guest-attestation-sdk, against the local MAA.
//!
//! The client reads a real TPM, swtpm: without `TPM2TOOLS_TCTI` the program starts itself once on each kind of machine,
//! by `casque-dev machine`. It takes the path of the JSON of `casque-dev up` as argument or in `CASQUE_DEV_JSON`.
//!
//! The client knows public authorities and Azure's metadata address alone: what it would send and fetch there is sent
//! and fetched here, with the local world's authority.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;

use azure_guest_attestation_sdk::guest_attest::{AttestationProvider, submit_to_provider};
use azure_guest_attestation_sdk::report::CvmReportType;
use azure_guest_attestation_sdk::tpm::{RawTpm, Tpm};
use azure_guest_attestation_sdk::{
    AttestOptions, AttestationClient, AttestationReport, CvmEvidence, Endorsement, EndorsementKind,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::blocking::Client;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let path = std::env::args().nth(1);
    let path = path.or_else(|| std::env::var("CASQUE_DEV_JSON").ok());
    let Some(path) = path else {
        eprintln!(
            "expected the path of the JSON of `casque-dev up` as argument or in CASQUE_DEV_JSON"
        );
        return ExitCode::FAILURE;
    };
    let checked = match std::env::var("TPM2TOOLS_TCTI") {
        Ok(tcti) => check_machine(&path, &tcti),
        Err(_) => check_machines(&path),
    };
    match checked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("FAIL guest {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts this program beside the TPM of a machine of each kind.
fn check_machines(path: &str) -> Outcome<bool> {
    for program in ["swtpm", "tpm2_createprimary"] {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null());
        if command.stderr(Stdio::null()).status().is_err() {
            println!("skipped: `{program}` is not installed");
            return Ok(true);
        }
    }
    let up: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let named = std::env::var("CASQUE_DEV_PROGRAM");
    let program = named.unwrap_or_else(|_| text(&up, "/program").to_owned());
    let own = std::env::current_exe()?;
    let mut all = true;
    for tee in ["azure-snp", "azure-tdx"] {
        let mut machine = Command::new(&program);
        machine.args(["machine", "--state", text(&up, "/state"), "--tee", tee]);
        all &= machine.arg(&own).arg(path).status()?.success();
    }
    Ok(all)
}

/// One line for each check on the machine whose TPM this is.
fn check_machine(path: &str, tcti: &str) -> Outcome<bool> {
    let guest = Guest::new(path, tcti)?;
    let name = match guest.evidence.report_type {
        CvmReportType::SnpVmReport => "snp",
        CvmReportType::TdxVmReport => "tdx",
        other => return Err(format!("the client found a report of {other:?}").into()),
    };
    let checks: [(&str, fn(&Guest) -> Outcome); 3] = [
        (
            "token is opened, verifies and says what was attested",
            whole_way,
        ),
        (
            "token is not opened by the key for other registers",
            other_registers,
        ),
        ("request with another quote is refused", other_quote),
    ];
    let mut all = true;
    for (what, check) in checks {
        match check(&guest) {
            Ok(()) => println!("ok guest on {name}: {what}"),
            Err(error) => {
                all = false;
                println!(
                    "FAIL guest on {name}: {what}: {}",
                    error.to_string().replace('\n', " ")
                );
            }
        }
    }
    Ok(all)
}

/// The client, what it read of its machine, and the local world.
struct Guest {
    client: AttestationClient,
    evidence: CvmEvidence,
    endorsement: Option<Endorsement>,
    maa: LocalMaa,
}

impl Guest {
    fn new(path: &str, tcti: &str) -> Outcome<Self> {
        let up: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        let authority = std::fs::read(text(&up, "/ca_file"))?;
        let authority = reqwest::Certificate::from_pem(&authority)?;
        let http = Client::builder().add_root_certificate(authority).build()?;
        let address = tcti
            .strip_prefix("swtpm:host=")
            .ok_or("expected the TPM of a machine")?;
        let stream = TcpStream::connect(address.replace(",port=", ":"))?;
        let swtpm = Tpm::from_raw_reference(Box::new(Swtpm(Mutex::new(stream))));
        let client = AttestationClient::from_tpm(swtpm);
        let mut evidence = client.get_cvm_evidence(None)?;
        let imds = text(&up, "/imds");
        let mut endorsement = None;
        if evidence.report_type == CvmReportType::TdxVmReport {
            let report = json!({"report": URL_SAFE_NO_PAD.encode(&evidence.tee_report)});
            let url = format!("{imds}/acc/tdquote");
            let answer: Value = http.post(url).json(&report).send()?.json()?;
            evidence.platform_quote = URL_SAFE_NO_PAD.decode(text(&answer, "/quote"))?;
        } else {
            let url = format!("{imds}/metadata/THIM/amd/certification");
            let answer: Value = http.get(url).header("Metadata", "true").send()?.json()?;
            let chain = [
                text(&answer, "/vcekCert"),
                text(&answer, "/certificateChain"),
            ]
            .concat();
            endorsement = Some(Endorsement {
                kind: EndorsementKind::Vcek,
                data: chain.into_bytes(),
                endorsement_response: None,
            });
        }
        let url = text(&up, "/maa").to_owned();
        Ok(Self {
            client,
            evidence,
            endorsement,
            maa: LocalMaa { http, url },
        })
    }

    /// The request, as the client makes it.
    fn report(&self) -> Outcome<AttestationReport> {
        let device = self.client.get_device_evidence(None)?;
        let options = AttestOptions {
            client_payload: Some(json!({"nonce": NONCE}).to_string()),
            pcr_selection: None,
        };
        let (evidence, endorsement) = (Some(&self.evidence), self.endorsement.as_ref());
        let report =
            (self.client).create_attestation_report(&device, evidence, endorsement, Some(&options));
        Ok(report?)
    }

    fn attest(&self, report: &AttestationReport) -> Outcome<String> {
        let encoded = URL_SAFE_NO_PAD.encode(&report.json);
        let token = submit_to_provider(&encoded, &self.maa)?;
        Ok(token.ok_or("no token")?)
    }
}

fn whole_way(guest: &Guest) -> Outcome {
    let report = guest.report()?;
    let sealed = guest.attest(&report)?;
    let opened = guest.client.decrypt_token(&report.pcrs, &sealed)?;
    let claims = guest
        .maa
        .verified(&opened.ok_or("the client takes it for no sealed token")?)?;
    let tee = match guest.evidence.report_type {
        CvmReportType::TdxVmReport => "tdxvm",
        _ => "sevsnpvm",
    };
    let isolation = "/x-ms-isolation-tee";
    let expected = [
        ("/iss", json!(guest.maa.url)),
        ("/x-ms-attestation-type", json!("azurevm")),
        ("/x-ms-azurevm-attested-pcrs", json!(report.pcrs)),
        ("/x-ms-azurevm-ostype", json!("Linux")),
        (
            "/x-ms-runtime/client-payload/nonce",
            json!(STANDARD.encode(NONCE)),
        ),
        (&format!("{isolation}/x-ms-attestation-type"), json!(tee)),
        (
            &format!("{isolation}/x-ms-compliance-status"),
            json!("azure-compliant-cvm"),
        ),
        (
            &format!("{isolation}/x-ms-runtime"),
            serde_json::from_slice(&guest.evidence.runtime_data)?,
        ),
    ];
    for (pointer, value) in expected {
        let found = claims.pointer(pointer);
        if found != Some(&value) {
            return Err(format!("`{pointer}`: expected {value}, found {found:?}").into());
        }
    }
    let request: Value = serde_json::from_str(&report.json)?;
    let public = STANDARD.decode(text(&request, "/TpmInfo/EncKeyPub"))?;
    let modulus = URL_SAFE_NO_PAD.decode(text(&claims, "/x-ms-runtime/keys/0/n"))?;
    if !public.ends_with(&modulus) || modulus.len() != 256 {
        return Err("the token states another key than the TPM's".into());
    }
    Ok(())
}

fn other_registers(guest: &Guest) -> Outcome {
    let report = guest.report()?;
    let sealed = guest.attest(&report)?;
    let why = match guest.client.decrypt_token(&[0, 1], &sealed) {
        Ok(_) => return Err("it was opened".into()),
        Err(error) => error.to_string(),
    };
    match why.contains("RsaDecrypt") {
        true => Ok(()),
        false => Err(why.into()),
    }
}

fn other_quote(guest: &Guest) -> Outcome {
    let (report, later) = (guest.report()?, guest.report()?);
    let mut request: Value = serde_json::from_str(&report.json)?;
    let later: Value = serde_json::from_str(&later.json)?;
    request["TpmInfo"]["PcrQuote"] = later["TpmInfo"]["PcrQuote"].clone();
    let encoded = URL_SAFE_NO_PAD.encode(request.to_string());
    let why = match guest.maa.attest_guest(&encoded) {
        Ok(_) => return Err("a token was given".into()),
        Err(error) => error.to_string(),
    };
    let expected = "`TpmInfo.PcrSignature` is not of `AikPub` over `PcrQuote`";
    match why.starts_with("400") && why.contains(expected) {
        true => Ok(()),
        false => Err(why.into()),
    }
}

/// The instance, under the local world's authority.
struct LocalMaa {
    http: Client,
    url: String,
}

impl AttestationProvider for LocalMaa {
    fn attest_guest(&self, encoded_request: &str) -> io::Result<Option<String>> {
        let url = format!("{}/attest/AzureGuest?api-version=2020-10-01", self.url);
        let body = json!({"AttestationInfo": encoded_request});
        let answer = self.http.post(url).json(&body).send();
        let answer = answer.map_err(io::Error::other)?;
        let status = answer.status();
        let body: Value = answer.json().map_err(io::Error::other)?;
        match body.pointer("/token").and_then(Value::as_str) {
            Some(token) if status.is_success() => Ok(Some(token.to_owned())),
            _ => Err(io::Error::other(format!("{status}: {body}"))),
        }
    }
}

impl LocalMaa {
    /// The claims of a token that a key of the instance signed.
    fn verified(&self, token: &str) -> Outcome<Value> {
        let (signed, signature) = token.rsplit_once('.').ok_or("expected a JWS")?;
        let (header, claims) = signed.split_once('.').ok_or("expected a JWS")?;
        let read = |part: &str| -> Outcome<Value> {
            Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
        };
        let header = read(header)?;
        let keys: Value = self
            .http
            .get(format!("{}/certs", self.url))
            .send()?
            .json()?;
        let mut keys = keys["keys"].as_array().into_iter().flatten();
        let key = keys
            .find(|key| key["kid"] == header["kid"])
            .ok_or("an unknown `kid`")?;
        let key = RsaPublicKeyComponents {
            n: URL_SAFE_NO_PAD.decode(text(key, "/n"))?,
            e: URL_SAFE_NO_PAD.decode(text(key, "/e"))?,
        };
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| "the token's signature does not verify")?;
        read(claims)
    }
}

/// A TPM on a stream: commands and answers as they are, one after the other.
struct Swtpm(Mutex<TcpStream>);

impl RawTpm for Swtpm {
    fn transmit_raw(&self, command: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.0.lock().map_err(|_| io::Error::other("poisoned"))?;
        stream.write_all(command)?;
        let mut answer = vec![0; 10];
        stream.read_exact(&mut answer)?;
        let [_, _, a, b, c, d, ..] = answer[..] else {
            return Err(io::Error::other("no head"));
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(io::Error::other)?;
        if !(10..=8192).contains(&length) {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        answer.resize(length, 0);
        stream.read_exact(&mut answer[10..])?;
        Ok(answer)
    }
}

/// The text at this place; empty where there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

const NONCE: &str = "a nonce of the relying party";
