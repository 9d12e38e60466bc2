//! PutParameter, LabelParameterVersion, DeleteParameter, with AWS's limits.

use serde_json::{Value, json};

use super::{Context, flag, text};
use crate::error::AwsError;
use crate::iam::Question;
use crate::name::{self, Reference};
use crate::store::{Parameter, Put};

const STANDARD_BYTES: usize = 4096;
const ADVANCED_BYTES: usize = 8192;
const MAX_LABELS: usize = 10;

pub(super) fn put(context: &mut Context<'_>, input: &Value) -> Result<Value, AwsError> {
    let reference = writable(context, text(input, "Name")?, "ssm:PutParameter")?;
    let value = text(input, "Value")?;
    let existing = context.state.store.find(&reference.account, &reference.folded).map(Parameter::latest);
    if existing.is_some() && !flag(input, "Overwrite") {
        return Err(AwsError::new(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    let kind = input.get("Type").and_then(Value::as_str).or(existing.map(|version| version.kind.as_str()));
    let kind = match kind {
        Some(kind @ ("String" | "StringList" | "SecureString")) => kind,
        Some(kind) => {
            let message = format!("1 validation error detected: Value '{kind}' at 'type' failed to satisfy constraint");
            return Err(AwsError::validation(message));
        }
        None => {
            return Err(AwsError::validation("A parameter type is required when you create a parameter."));
        }
    };
    let advanced = check_size(value, input.get("Tier").and_then(Value::as_str).unwrap_or("Standard"))?;
    let mut put = Put::new(&reference.asked, kind, value);
    put.advanced = advanced;
    if let Some(key) = input.get("KeyId").and_then(Value::as_str) {
        put = put.key(key);
    }
    if let Some(data_type) = input.get("DataType").and_then(Value::as_str) {
        put = put.data_type(data_type);
    }
    if put.kind == "SecureString" {
        let key = context.state.keys.arn(&put.key, &context.state.site);
        let arn = reference.arn(&context.state.site);
        let action = if advanced { "kms:GenerateDataKey" } else { "kms:Encrypt" };
        context.use_key(action, &key, &[("kms:EncryptionContext:PARAMETER_ARN", &arn)], "ssm")?;
    }
    let version = context.state.put(&put);
    Ok(json!({ "Version": version, "Tier": if advanced { "Advanced" } else { "Standard" } }))
}

/// Whether the value needs the advanced tier; an error when it may not have it.
fn check_size(value: &str, tier: &str) -> Result<bool, AwsError> {
    let large = value.len() > STANDARD_BYTES;
    if value.is_empty() {
        return Err(AwsError::validation(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length \
             greater than or equal to 1.",
        ));
    }
    if value.len() > ADVANCED_BYTES || (large && tier == "Standard") {
        let (tier, limit) = if tier == "Standard" { ("Standard", 4096) } else { ("Advanced", 8192) };
        return Err(AwsError::validation(format!(
            "{tier} tier parameters support a maximum parameter value of {limit} characters."
        )));
    }
    Ok(tier == "Advanced" || large)
}

/// A name that may be written: bare, not reserved, allowed.
fn writable(context: &Context<'_>, asked: &str, action: &str) -> Result<Reference, AwsError> {
    let reference = name::parse(asked, &context.state.site)?;
    let first = reference.folded.split(['/']).next().unwrap_or_default().to_ascii_lowercase();
    if reference.selector.is_some() || asked.starts_with("arn:") || first.starts_with("aws") || first.starts_with("ssm")
    {
        return Err(AwsError::validation(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        ));
    }
    let resource = reference.arn(&context.state.site);
    context.state.authorize(context.principal, &Question { action, resource: &resource, context: &[] })?;
    Ok(reference)
}

pub(super) fn label(context: &mut Context<'_>, input: &Value) -> Result<Value, AwsError> {
    let reference = writable(context, text(input, "Name")?, "ssm:LabelParameterVersion")?;
    let (account, name) = (reference.account.clone(), reference.folded.clone());
    let parameter = context.state.store.find(&account, &name);
    let parameter = parameter.ok_or_else(|| AwsError::new("ParameterNotFound", ""))?;
    let number = match input.get("ParameterVersion").and_then(Value::as_u64) {
        Some(number) => number,
        None => parameter.latest().number,
    };
    let version = parameter.select(Some(&number.to_string())).ok_or_else(|| {
        let message = format!("Systems Manager could not find version {number} of {name}.");
        AwsError::new("ParameterVersionNotFound", message)
    })?;
    let labels = input.get("Labels").and_then(Value::as_array).into_iter().flatten();
    let labels: Vec<&str> = labels.filter_map(Value::as_str).collect();
    let (good, bad): (Vec<&str>, Vec<&str>) = labels.iter().partition(|label| is_label(label));
    if version.labels.len() + good.len() > MAX_LABELS {
        return Err(AwsError::new(
            "ParameterVersionLabelLimitExceeded",
            "A parameter version can have a maximum of ten labels.",
        ));
    }
    for label in good {
        context.state.store.label(&account, &name, number, label);
    }
    Ok(json!({ "InvalidLabels": bad, "ParameterVersion": number }))
}

fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    (1..=100).contains(&label.len())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        && !label.starts_with(|c: char| c.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}

pub(super) fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, AwsError> {
    let reference = writable(context, text(input, "Name")?, "ssm:DeleteParameter")?;
    match context.state.store.delete(&reference.account, &reference.folded) {
        true => Ok(json!({})),
        false => Err(AwsError::new("ParameterNotFound", "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_tiers() {
        let of = |n: usize| "x".repeat(n);
        assert_eq!(check_size(&of(4096), "Standard"), Ok(false));
        assert!(check_size(&of(4097), "Standard").is_err());
        assert_eq!(check_size(&of(8192), "Advanced"), Ok(true));
        assert_eq!(check_size(&of(4097), "Intelligent-Tiering"), Ok(true));
        assert_eq!(check_size(&of(1), "Intelligent-Tiering"), Ok(false));
        assert!(check_size(&of(8193), "Advanced").is_err());
        assert!(check_size("", "Standard").is_err());
    }

    #[test]
    fn labels() {
        assert!(is_label("current") && is_label("a.b-c_9") && is_label(&"x".repeat(100)));
        for label in ["", "1st", "awsome", "SSMx", "a b", &"x".repeat(101)] {
            assert!(!is_label(label), "{label:?} passed");
        }
    }
}
