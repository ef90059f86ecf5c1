//! Evidence, endorsements and a policy from files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use casque_appraise::{
    AppraiseError, Appraiser, Bound, Evidence, EvidenceKind, EvidenceParseError, Identity,
    MaaAppraiseError, MaaToken, MaaTrust, SignerDemand, SnpAppraiseError, Submitted, Verdict,
};
use casque_explain::{
    EndorsementsFile, Explained, Failure, MaaEndorsement, evidence_of, explanation,
    read_endorsements,
};
use casque_policy::{Decision, Demands, Fills, Policy, explain};
use casque_types::{AzureVmTee, ConfigId, Seconds, Timestamp, is_compact_jws};
use casque_wire as wire;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{ExplainError, exit_code, text};
use crate::args::{ChangeArgs, ExplainArgs};
use crate::console::Console;
use crate::error::CliError;
use crate::invocation::Invocation;
use crate::policy_file::{FileError, PolicyFile, read_text};

pub(super) fn run(
    args: &ExplainArgs,
    invocation: &Invocation,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    let endorsements = match &args.endorsements {
        Some(path) => load_endorsements(path, console)?,
        None => EndorsementsFile::default(),
    };
    let brought = match Brought::load(&args.evidence, &endorsements, console) {
        Err(Unread::Changed(source)) => return changed_token(&source, console),
        Err(Unread::Unusable(error)) => return Err(error),
        Ok(brought) => brought,
    };
    let now = match &args.at {
        Some(text) => time_of(text)?,
        None => invocation.now,
    };
    let expected = args.report_data.as_deref().map(digits).transpose()?;
    let policy = policy_of(args, invocation, console)?;
    let demands = policy.as_ref().map(Applied::demands).transpose()?;
    let judge = Judge {
        appraiser: Appraiser::new(invocation.anchors.clone()),
        endorsements: &endorsements,
        demands: demands.as_ref(),
        now,
    };
    let claims = brought.main().claims();
    let verdict = match judge.verdict(&brought) {
        Ok(verdict) => expect_bound(&verdict, expected.as_deref()).map(|()| verdict),
        Err(AppraiseError::EndorsementsMissing { what }) => {
            return Err(ExplainError::EndorsementsMissing { what }.into());
        }
        Err(AppraiseError::Snp(SnpAppraiseError::CertificateMissing)) => {
            let what = "the certificate of the key that signed the report, and AMD's authorities,";
            return Err(ExplainError::EndorsementsMissing { what }.into());
        }
        Err(AppraiseError::Snp(SnpAppraiseError::Layout { source })) => {
            return Err(ExplainError::Layout(source).into());
        }
        Err(error) => Err(error),
    };
    let decision = decision(policy.as_ref(), demands.as_ref(), &verdict);
    let message = verdict.as_ref().err().map(ToString::to_string);
    let refused = verdict.as_ref().err().map(AppraiseError::code);
    let failure = refused.zip(message.as_deref()).or_else(|| {
        let verdict = verdict.as_ref().ok().filter(|_| demands.is_none())?;
        proves_nothing_alone(verdict, brought.main())
    });
    let failure = failure.map(|(code, message)| Failure {
        outcome: wire::Outcome::NotAuthentic,
        code,
        message,
        hint: Some(hint(code)),
    });
    let explained = explanation(&Explained {
        evidence: brought.main().kind(),
        claims: &claims,
        verdict: verdict.as_ref().ok(),
        failure,
        decision: decision.as_ref().map(|(id, decision)| (id, decision)),
    });
    console.result(&text::of(&explained, expected.is_some()), &explained)?;
    Ok(exit_code(explained.outcome))
}

/// Why a file holds no evidence.
enum Unread {
    /// It is none.
    Unusable(CliError),
    /// It is a token that the instance did not sign as it stands, and so cannot be read.
    Changed(EvidenceParseError),
}

impl<E: Into<CliError>> From<E> for Unread {
    fn from(error: E) -> Self {
        Self::Unusable(error.into())
    }
}

/// Says of a token that cannot be read why: somebody changed it.
fn changed_token(source: &EvidenceParseError, console: &mut Console<'_>) -> Result<u8, CliError> {
    let error = AppraiseError::Maa(MaaAppraiseError::Signature);
    let (code, message) = (
        error.code(),
        format!("{error}; it cannot be read: {source}"),
    );
    let explained = explanation(&Explained {
        evidence: EvidenceKind::MaaToken,
        claims: &[],
        verdict: None,
        failure: Some(Failure {
            outcome: wire::Outcome::NotAuthentic,
            code,
            message: &message,
            hint: Some(hint(code)),
        }),
        decision: None,
    });
    console.result(&text::of(&explained, false), &explained)?;
    Ok(exit_code(explained.outcome))
}

/// The evidence, and a token about it.
struct Brought {
    evidence: Option<Evidence>,
    token: Option<MaaToken>,
    /// What stands for a token alone.
    alone: Evidence,
}

impl Brought {
    fn load(
        paths: &[PathBuf],
        endorsements: &EndorsementsFile,
        console: &mut Console<'_>,
    ) -> Result<Self, Unread> {
        let mut brought = Self {
            evidence: None,
            token: None,
            alone: Evidence::Absent,
        };
        for path in paths {
            let bytes = read_file(path, console)?;
            let raw: wire::Evidence = serde_json::from_slice(&bytes).map_err(|source| {
                let path = path.clone();
                ExplainError::EvidenceFile { path, source }
            })?;
            let evidence = match (evidence_of(&raw), &raw) {
                (Ok(evidence), _) => evidence,
                (Err(source), wire::Evidence::Maa { token }) if is_changed(token, endorsements) => {
                    return Err(Unread::Changed(source));
                }
                (Err(source), _) => {
                    let path = path.clone();
                    return Err(ExplainError::Evidence { path, source }.into());
                }
            };
            let is_second = match evidence {
                Evidence::MaaToken(token) => brought.token.replace(token).is_some(),
                evidence => brought.evidence.replace(evidence).is_some(),
            };
            if is_second {
                let found = paths.len();
                return Err(ExplainError::EvidenceCount { found }.into());
            }
        }
        if brought.evidence.is_none()
            && let Some(token) = brought.token.take()
        {
            brought.alone = Evidence::MaaToken(token);
        }
        Ok(brought)
    }

    fn main(&self) -> &Evidence {
        self.evidence.as_ref().unwrap_or(&self.alone)
    }
}

/// Whether a text has the form of a token, and none of the instance's keys signed it.
fn is_changed(text: &str, endorsements: &EndorsementsFile) -> bool {
    let text = text.trim();
    let instance = endorsements.maa.as_ref();
    is_compact_jws(text) && instance.is_some_and(|maa| !MaaToken::is_signed_by(text, &maa.keys))
}

/// What evidence is judged with.
struct Judge<'a> {
    appraiser: Appraiser,
    endorsements: &'a EndorsementsFile,
    demands: Option<&'a Demands<'a>>,
    now: Timestamp,
}

impl Judge<'_> {
    fn verdict(&self, brought: &Brought) -> Result<Verdict, AppraiseError> {
        let endorsements = &self.endorsements.endorsements;
        match (brought.main(), &brought.token) {
            (Evidence::MaaToken(token), _) => {
                let maa = self.instance()?;
                let trust = self.trust(maa);
                self.appraiser
                    .verify_token(token, &maa.keys, &trust, self.now)
            }
            (evidence, Some(token)) => {
                let maa = self.instance()?;
                let submitted = Submitted {
                    evidence,
                    token,
                    keys: &maa.keys,
                };
                let trust = self.trust(maa);
                self.appraiser
                    .verify_both(&submitted, endorsements, &trust, self.now)
            }
            (evidence, None) => self.appraiser.verify(evidence, endorsements, self.now),
        }
    }

    fn instance(&self) -> Result<&MaaEndorsement, AppraiseError> {
        let what = "the keys of the attestation service";
        let maa = self.endorsements.maa.as_ref();
        maa.ok_or(AppraiseError::EndorsementsMissing { what })
    }

    /// What the policy demands of the service, or else that the token is inside its life.
    fn trust(&self, maa: &MaaEndorsement) -> MaaTrust {
        let demanded = self
            .demands
            .and_then(|demands| demands.security().mode.maa());
        let defaults = MaaTrust {
            issuer: maa.issuer.clone(),
            min_rsa_bits: LEAST_RSA_BITS,
            clock_skew: Seconds(0),
            max_age: TOKEN_LIFE,
            signer: SignerDemand::Any,
        };
        match demanded {
            None => defaults,
            Some(demands) => MaaTrust {
                issuer: demands.url.clone(),
                min_rsa_bits: demands.min_rsa_bits,
                max_age: demands.max_age,
                signer: demands.signer,
                ..defaults
            },
        }
    }
}

fn expect_bound(verdict: &Verdict, expected: Option<&[u8]>) -> Result<(), AppraiseError> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let found = verdict.bound();
    let is_bound = match found {
        Bound::Nothing => false,
        Bound::ReportData(found) => {
            let (start, rest) = found.split_at_checked(expected.len()).unwrap_or_default();
            start == expected && !start.is_empty() && rest.iter().all(|byte| *byte == 0)
        }
        Bound::ExtraData(found) => found == expected,
    };
    is_bound.then_some(()).ok_or(AppraiseError::NotBound)
}

/// Why no more can be said without a policy. Nobody stands behind no evidence; and as Intel's own verifiers do, nothing
/// but a policy that tolerates it makes anything of a quote in debug mode. Where a policy is applied its rules say so. A
/// token alone is the attestation service's to judge: it says `debug`, and is authentic.
const fn proves_nothing_alone(
    verdict: &Verdict,
    evidence: &Evidence,
) -> Option<(&'static str, &'static str)> {
    let debug = match verdict.identity() {
        Identity::Unattested => return Some((ABSENT_CODE, ABSENT_MESSAGE)),
        Identity::Sgx(sgx) => sgx.debug,
        Identity::Tdx(tdx) => tdx.debug,
        Identity::AzureVm(vm) => matches!(&vm.tee, AzureVmTee::Tdx(tdx) if tdx.debug),
        Identity::Snp(_) | Identity::Aci(_) => false,
    };
    match debug && !matches!(evidence, Evidence::MaaToken(_)) {
        true => Some((DEBUG_CODE, DEBUG_MESSAGE)),
        false => None,
    }
}

/// What to do next about evidence that is not authentic.
fn hint(code: &str) -> &'static str {
    match code {
        "not-bound" => {
            "compare --report-data with what is bound, which is shown without it; gather evidence anew for each challenge"
        }
        ABSENT_CODE => {
            "run it in a TEE; `casque-agent evidence --explain` says what was looked for"
        }
        DEBUG_CODE => "apply a policy with --policy and --service",
        code if code.ends_with("-expired") => {
            "judge it at the time when it was gathered with --at, or bring what is in force now"
        }
        code if code.ends_with("-not-yet-valid") => "check --at, or the clock",
        _ => "look the code up in docs/appraisal-codes.md: it says what to do",
    }
}

/// A policy, and the service of it that asks.
struct Applied {
    policy: Policy,
    config: ConfigId,
}

impl Applied {
    fn demands(&self) -> Result<Demands<'_>, CliError> {
        let name = self.config.service();
        let service = self.policy.service(name);
        let service = service.ok_or_else(|| ExplainError::Service {
            name: name.to_string(),
        })?;
        // Left out, as a server does with what it cannot have, they would deny what it grants.
        if let Some(open) = self.policy.asks_of_demands(service).next() {
            let secret = open.secret.to_string();
            return Err(ExplainError::DemandsOpen { secret }.into());
        }
        let demands = self.policy.demands(service, &Fills::default());
        Ok(demands.map_err(ExplainError::Demands)?)
    }
}

fn policy_of(
    args: &ExplainArgs,
    invocation: &Invocation,
    console: &mut Console<'_>,
) -> Result<Option<Applied>, CliError> {
    let (Some(path), Some(service)) = (&args.policy, &args.service) else {
        return Ok(None);
    };
    let original = read_text(path, console.stdin).map_err(ExplainError::File)?;
    let change = ChangeArgs {
        variables: args.variables.clone(),
        use_env: false,
        name: None,
        fail_on_warning: false,
    };
    let policy = PolicyFile::of(&original, path, &change, invocation)?.policy;
    let id = format!("{}/{service}", policy.name);
    // The name alone: with a `/` in it, it would be the service of another policy.
    let config: Option<ConfigId> = id.parse().ok();
    let config = config.filter(|config| config.service().to_string() == *service);
    let config = config.ok_or_else(|| ExplainError::Service {
        name: service.clone(),
    })?;
    Ok(Some(Applied { policy, config }))
}

fn decision(
    applied: Option<&Applied>,
    demands: Option<&Demands<'_>>,
    verdict: &Result<Verdict, AppraiseError>,
) -> Option<(ConfigId, Decision)> {
    let (applied, demands, verdict) = (applied?, demands?, verdict.as_ref().ok()?);
    Some((applied.config.clone(), explain(demands, verdict, None)))
}

fn load_endorsements(path: &Path, console: &mut Console<'_>) -> Result<EndorsementsFile, CliError> {
    let bytes = read_file(path, console)?;
    let read = read_endorsements(&bytes);
    Ok(read.map_err(|source| {
        let path = path.to_owned();
        ExplainError::Endorsements { path, source }
    })?)
}

/// No secrets: evidence and endorsements are anybody's to see.
fn read_file(path: &Path, console: &mut Console<'_>) -> Result<Vec<u8>, ExplainError> {
    let failed = |source| {
        let path = path.to_owned();
        ExplainError::File(FileError::Read { path, source })
    };
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        let mut stdin = (&mut *console.stdin).take(limit.saturating_add(1));
        stdin.read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let mut file = File::open(path)
            .map_err(failed)?
            .take(limit.saturating_add(1));
        file.read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() > MAX_FILE_BYTES {
        let path = path.to_owned();
        let limit_bytes = MAX_FILE_BYTES;
        return Err(FileError::TooLong { path, limit_bytes }.into());
    }
    Ok(bytes)
}

/// RFC 3339.
fn time_of(text: &str) -> Result<Timestamp, ExplainError> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
    let seconds = parsed.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
    let seconds = seconds.ok_or_else(|| ExplainError::At {
        found: text.to_owned(),
    });
    seconds.map(Timestamp::from_unix_s)
}

fn digits(text: &str) -> Result<Vec<u8>, ExplainError> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text));
    let bytes = bytes.map_err(|_| ExplainError::ReportData)?;
    match bytes.len() <= MAX_REPORT_DATA_BYTES {
        true => Ok(bytes),
        false => Err(ExplainError::ReportData),
    }
}

const ABSENT_CODE: &str = "evidence-absent";
const ABSENT_MESSAGE: &str = "there is no evidence: the attester found no TEE; run it in one";
const DEBUG_CODE: &str = "quote-debug";
const DEBUG_MESSAGE: &str = "it runs in debug mode: its memory can be read from outside, and only a policy that tolerates `debug-mode` makes anything of it; apply one with --policy";
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
const MAX_REPORT_DATA_BYTES: usize = 64;
const LEAST_RSA_BITS: u32 = 2048;
/// As long as the service gives its tokens: without a policy nothing shorter is demanded.
const TOKEN_LIFE: Seconds = Seconds(28_800);
