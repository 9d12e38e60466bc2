//! Who puts the parameters: may write and encrypt them, and not read. That is the article's other half; the reader's policy
//! has the first.
//!
//! A standard parameter is encrypted by `kms:Encrypt`, an advanced one by a data key; both with the parameter's ARN in the
//! encryption context, as it is decrypted
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html>).

use serde_json::Value as Json;

use super::arn::ArnParts;
use super::{Needs, allow, with_keys};

/// The statements, and what no `PutParameter` writes: secrets, AWS's own parameters, and those of other accounts, because
/// it takes no ARN.
pub fn statements(needs: &Needs, keys: &[String], parts: &ArnParts) -> (Vec<Json>, Vec<String>) {
    let here = parts.parameter("");
    let own = |arn: &&String| arn.starts_with(&here);
    // What can be encrypted is what is neither a secret nor AWS's, and of a path what lies below it.
    let written: Vec<String> = needs.encrypted.iter().filter(own).cloned().collect();
    let foreign = needs.parameters.iter().filter(|arn| !written.contains(arn));
    let left_out = foreign.chain(needs.paths.iter().filter(|arn| !own(arn))).cloned().collect();
    let accounts = if written.is_empty() { Vec::new() } else { vec![parts.account.clone()] };
    let needs = Needs { encrypted: written, accounts, ..Needs::default() };
    let put = allow("WriteParameters", &["ssm:PutParameter"], &needs.encrypted);
    let encrypt = with_keys("Encrypt", &["kms:Encrypt", "kms:GenerateDataKey"], &needs, keys, parts);
    ([put, encrypt].into_iter().flatten().collect(), left_out)
}
