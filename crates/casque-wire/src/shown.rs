//! What `Debug` shows of messages that hold tokens and certificates: how long they are, so that no log and no failed
//! test keeps what others could present.

use std::fmt;

use crate::Evidence;

/// A text of which `Debug` shows the length alone.
#[derive(Clone, Copy)]
pub struct LengthOf<'t>(pub &'t str);

impl fmt::Debug for LengthOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None {} => f.write_str("None"),
            Self::Sgx { quote } => f.debug_struct("Sgx").field("quote", quote).finish(),
            Self::Tdx { quote } => f.debug_struct("Tdx").field("quote", quote).finish(),
            Self::Snp { report, vek } => {
                let mut shown = f.debug_struct("Snp");
                shown.field("report", report).field("vek", &length_of(vek));
                shown.finish()
            }
            Self::AzureSnpVtpm {
                hcl,
                quote,
                vek,
                ak_chain,
            } => {
                let mut shown = f.debug_struct("AzureSnpVtpm");
                shown.field("hcl", hcl).field("quote", quote);
                shown.field("vek", &length_of(vek));
                shown.field("ak_chain", &length_of(ak_chain)).finish()
            }
            Self::AzureTdxVtpm {
                hcl,
                quote,
                td_quote,
                ak_chain,
            } => {
                let mut shown = f.debug_struct("AzureTdxVtpm");
                shown.field("hcl", hcl).field("quote", quote);
                shown.field("td_quote", td_quote);
                shown.field("ak_chain", &length_of(ak_chain)).finish()
            }
            Self::AciSnp {
                report,
                vek,
                policy,
                uvm,
            } => {
                let mut shown = f.debug_struct("AciSnp");
                shown.field("report", report).field("vek", &length_of(vek));
                shown.field("policy", policy).field("uvm", uvm).finish()
            }
            Self::Maa { token } => {
                let mut shown = f.debug_struct("Maa");
                shown.field("token", &LengthOf(token)).finish()
            }
        }
    }
}

fn length_of(text: &Option<String>) -> Option<LengthOf<'_>> {
    text.as_deref().map(LengthOf)
}
