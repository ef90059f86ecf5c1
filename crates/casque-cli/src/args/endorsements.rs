//! The command line of `casque endorsements`.

use std::path::PathBuf;

use casque_endorse::DocumentId;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum EndorsementsCommand {
    /// Fetch documents from Intel, AMD or a cache of theirs, for machines without a network.
    Fetch(FetchArgs),
    /// Show what bundles or a server's cache hold, and what expires first.
    Show {
        /// A bundle (file or directory), a file for `casque explain`, or the directory where a server keeps
        /// endorsements.
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<PathBuf>,
    },
    /// Make one bundle of the documents in others, or in a server's cache.
    Bundle(BundleArgs),
}

#[derive(Debug, Args)]
#[group(id = "wanted", required = true, multiple = true, args = ["evidence", "intel", "amd"])]
pub(crate) struct FetchArgs {
    /// What this evidence needs: a JSON file as `casque-agent evidence` writes it; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Vec<PathBuf>,
    /// Intel's documents for a family of platforms, 12 hexadecimal digits; of SGX and of both
    /// authorities where it is not said; may be repeated.
    #[arg(long, value_name = "FMSPC[:platform|:processor][:sgx|:tdx]", value_parser = parse_intel)]
    pub(crate) intel: Vec<Documents>,
    /// AMD's revocation list and chain for `milan`, `genoa` or `turin`, and the certificate of a processor
    /// at a level (boot loader, TEE, SNP, microcode; on Turin FMC before them); may be repeated.
    #[arg(long, value_name = "PRODUCT[:vlek|:vcek[:CHIP:B.T.S.M]]", value_parser = parse_amd)]
    pub(crate) amd: Vec<Documents>,
    /// Where to ask, in this order: `intel`, `amd`, `azure`, the base URL of a cache, or a bundle; may be
    /// repeated [default: intel and amd].
    #[arg(long, value_name = "SOURCE")]
    pub(crate) from: Vec<String>,
    /// Trust the roots in this PEM file for TLS, instead of the public ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Take documents that do not verify under Intel's and AMD's roots, such as those of casque-dev. No server
    /// will accept them.
    #[arg(long)]
    pub(crate) dangerous_unverified: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    /// Bundles (files or directories), or directories where servers keep endorsements.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// Write a bundle into this directory, one file for each document, instead of to standard output.
    #[arg(long, value_name = "DIR", conflicts_with = "form")]
    pub(crate) directory: Option<PathBuf>,
    /// What is written to standard output.
    #[arg(long, value_enum, default_value_t = Form::Bundle)]
    pub(crate) form: Form,
}

/// The form of a file with documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A bundle for `casqued` and for `--from`.
    Bundle,
    /// What `casque explain --endorsements` reads: documents for one piece of evidence.
    Explain,
}

/// What one argument asks for.
#[derive(Clone, Debug)]
pub(crate) struct Documents(pub(crate) Vec<DocumentId>);

fn parse_intel(text: &str) -> Result<Documents, String> {
    let mut parts = text.split(':');
    let fmspc = parts.next().unwrap_or_default().to_ascii_lowercase();
    let (mut authorities, mut tee) = (vec!["platform", "processor"], "sgx");
    for part in parts {
        match part {
            "platform" | "processor" => authorities = vec![part],
            "sgx" | "tdx" => tee = part,
            _ => {
                return Err(format!(
                    "expected `platform`, `processor`, `sgx` or `tdx`, found `{part}`"
                ));
            }
        }
    }
    let ids = authorities
        .into_iter()
        .map(|authority| DocumentId::parse("intel", &format!("{tee}-{fmspc}-{authority}")));
    let ids = ids.collect::<Option<Vec<_>>>();
    ids.map(Documents)
        .ok_or_else(|| format!("expected an FMSPC of 12 hexadecimal digits, found `{fmspc}`"))
}

fn parse_amd(text: &str) -> Result<Documents, String> {
    let text = text.to_ascii_lowercase();
    let parts: Vec<&str> = text.split(':').collect();
    let (product, signer, vcek) = match parts.as_slice() {
        [product] => (product, "vcek", None),
        [product, signer] => (product, *signer, None),
        [product, "vcek", chip, level] => {
            (product, "vcek", Some(format!("{product}-{chip}-{level}")))
        }
        _ => return Err(AMD_EXPECTED.to_owned()),
    };
    let subject = format!("{product}-{signer}");
    let vcek = vcek.map(|vcek| DocumentId::parse("amd-vcek", &vcek).ok_or(VCEK_EXPECTED));
    let others =
        ["amd-crl", "amd-chain"].map(|kind| DocumentId::parse(kind, &subject).ok_or(AMD_EXPECTED));
    let ids = vcek
        .into_iter()
        .chain(others)
        .collect::<Result<Vec<_>, _>>();
    ids.map(Documents).map_err(str::to_owned)
}

const AMD_EXPECTED: &str =
    "expected `milan`, `genoa` or `turin`, then `:vcek`, `:vlek` or `:vcek:CHIP:LEVEL`";
const VCEK_EXPECTED: &str =
    "expected a chip of 64 bytes (8 on Turin) in hexadecimal digits and a level such as 3.0.8.115";

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(documents: Result<Documents, String>) -> Vec<String> {
        documents
            .unwrap()
            .0
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn intel_argument_names_family_authority_and_tee() {
        assert_eq!(
            subjects(parse_intel("00906ED50000")),
            [
                "intel sgx-00906ed50000-platform",
                "intel sgx-00906ed50000-processor"
            ]
        );
        assert_eq!(
            subjects(parse_intel("00806F050000:tdx:platform")),
            ["intel tdx-00806f050000-platform"]
        );
        for wrong in ["", "00906ED5000", "00906ED50000:root", "00906ED50000:"] {
            assert!(parse_intel(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn amd_argument_names_product_key_chip_and_level() {
        assert_eq!(
            subjects(parse_amd("milan")),
            ["amd-crl milan-vcek", "amd-chain milan-vcek"]
        );
        assert_eq!(
            subjects(parse_amd("Genoa:vlek")),
            ["amd-crl genoa-vlek", "amd-chain genoa-vlek"]
        );
        assert_eq!(
            subjects(parse_amd("turin:vcek:0C0C0C0C0C0C0C0C:1.3.0.8.115")),
            [
                "amd-vcek turin-0c0c0c0c0c0c0c0c-1.3.0.8.115",
                "amd-crl turin-vcek",
                "amd-chain turin-vcek"
            ]
        );
        for wrong in [
            "",
            "rome",
            "milan:ark",
            "milan:vlek:00:3.0.8.115",
            "milan:vcek:00:3.0.8.115",
        ] {
            assert!(parse_amd(wrong).is_err(), "{wrong}");
        }
    }
}
