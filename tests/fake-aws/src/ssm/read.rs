//! GetParameters and GetParameter: names in, alphabetical values out.

use serde_json::{Value, json};

use super::{Context, flag, text};
use crate::error::AwsError;
use crate::iam::Question;
use crate::name::{self, Reference};

const MAX_NAMES: usize = 10;

/// GetParameters. One malformed or denied name fails the whole call; a missing one does not.
pub(super) fn many(context: &mut Context<'_>, input: &Value) -> Result<Value, AwsError> {
    let names = names(input)?;
    let site = context.state.site.clone();
    let references = names.iter().map(|name| name::parse(name, &site)).collect::<Result<Vec<Reference>, _>>()?;
    for reference in &references {
        context.authorize_read("ssm:GetParameters", reference)?;
    }
    let decrypt = flag(input, "WithDecryption");
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for reference in &references {
        match context.reveal(reference, decrypt)? {
            Some(parameter) => found.push((reference, parameter)),
            None => invalid.push(reference.asked.as_str()),
        }
    }
    let order = |found: &(&Reference, Value)| (found.1["Name"].to_string(), found.0.selector.clone());
    found.sort_by_key(order);
    invalid.sort_unstable();
    let parameters: Vec<Value> = found.into_iter().map(|(_, parameter)| parameter).collect();
    Ok(json!({ "Parameters": parameters, "InvalidParameters": invalid }))
}

/// GetParameter, which tells a missing name from a missing version.
pub(super) fn one(context: &mut Context<'_>, input: &Value) -> Result<Value, AwsError> {
    let reference = name::parse(text(input, "Name")?, &context.state.site)?;
    context.authorize_read("ssm:GetParameter", &reference)?;
    match context.reveal(&reference, flag(input, "WithDecryption"))? {
        Some(parameter) => Ok(json!({ "Parameter": parameter })),
        None => Err(context.missing(&reference)),
    }
}

impl Context<'_> {
    fn authorize_read(&self, action: &str, reference: &Reference) -> Result<(), AwsError> {
        let resource = reference.arn(&self.state.site);
        self.state.authorize(self.principal, &Question { action, resource: &resource, context: &[] })
    }

    fn missing(&self, reference: &Reference) -> AwsError {
        if let Some(id) = reference.secret_id() {
            return AwsError::new(
                "ParameterNotFound",
                format!(
                    "An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret {id} not found."
                ),
            );
        }
        match self.state.store.find(&reference.account, &reference.folded) {
            Some(_) => AwsError::new(
                "ParameterVersionNotFound",
                format!("Systems Manager could not find version {} of {}.", self.selector(reference), reference.folded),
            ),
            None => AwsError::new("ParameterNotFound", format!("Parameter {} not found.", reference.folded)),
        }
    }

    fn selector<'a>(&self, reference: &'a Reference) -> &'a str {
        reference.selector.as_deref().unwrap_or_default()
    }
}

fn names(input: &Value) -> Result<Vec<String>, AwsError> {
    let list = input.get("Names").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Option<Vec<String>> = list.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    let names = names.ok_or_else(|| AwsError::new("SerializationException", "names have to be strings"))?;
    if names.is_empty() || names.len() > MAX_NAMES {
        let bound = if names.is_empty() { "greater than or equal to 1" } else { "less than or equal to 10" };
        return Err(AwsError::validation(format!(
            "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: Member must have length {bound}",
            names.join(", ")
        )));
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(AwsError::validation(format!("Parameter name {} is given more than once.", twice[0])));
    }
    Ok(names)
}
