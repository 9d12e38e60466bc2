//! DescribeParameters: metadata without values.

use serde_json::{Value, json};

use super::{Context, max_results, text};
use crate::error::AwsError;
use crate::iam::Question;
use crate::name;
use crate::store::Parameter;

pub(super) fn page(context: &mut Context<'_>, input: &Value) -> Result<Value, AwsError> {
    let resource = context.state.site.all_of_ssm();
    let question = Question { action: "ssm:DescribeParameters", resource: &resource, context: &[] };
    context.state.authorize(context.principal, &question)?;
    let size = max_results(input, 50, 50)?;
    let start = match input.get("NextToken").and_then(Value::as_str) {
        None => 0,
        Some(token) => {
            token.parse().map_err(|_| AwsError::new("InvalidNextToken", "The specified token is not valid."))?
        }
    };
    let filters = input.get("ParameterFilters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let account = context.state.site.account.clone();
    let mut selected = Vec::new();
    for parameter in context.state.store.all(&account) {
        let mut admitted = true;
        for filter in filters {
            admitted &= admits(filter, parameter)?;
        }
        if admitted {
            selected.push(parameter);
        }
    }
    let end = selected.len().min(start + size);
    let shown = selected.get(start..end).unwrap_or_default().iter();
    let shown: Vec<Value> = shown.map(|parameter| describe(context, parameter)).collect();
    let mut answer = json!({ "Parameters": shown });
    if end < selected.len() {
        answer["NextToken"] = json!(end.to_string());
    }
    Ok(answer)
}

fn admits(filter: &Value, parameter: &Parameter) -> Result<bool, AwsError> {
    let values = filter.get("Values").and_then(Value::as_array).into_iter().flatten();
    let mut values = values.filter_map(Value::as_str);
    let option = filter.get("Option").and_then(Value::as_str).unwrap_or("Equals");
    let folded = name::fold(&parameter.name);
    match (text(filter, "Key")?, option) {
        ("Name", "Equals") => Ok(values.any(|value| name::fold(value) == folded)),
        ("Name", "BeginsWith") => Ok(values.any(|value| folded.starts_with(name::fold(value)))),
        ("Name", "Contains") => Ok(values.any(|value| parameter.name.contains(value))),
        ("Type", "Equals") => Ok(values.any(|value| value == parameter.latest().kind)),
        (key, option) => {
            Err(AwsError::new("InvalidFilterKey", format!("the fake does not know the filter {key} {option}")))
        }
    }
}

fn describe(context: &Context<'_>, parameter: &Parameter) -> Value {
    let latest = parameter.latest();
    let mut shown = json!({
        "Name": parameter.name,
        "ARN": context.state.site.parameter_arn(&parameter.account, name::fold(&parameter.name)),
        "Type": latest.kind,
        "Version": latest.number,
        "LastModifiedDate": latest.modified,
        "LastModifiedUser": context.principal.arn,
        "DataType": latest.data_type,
        "Tier": if latest.advanced { "Advanced" } else { "Standard" },
        "Policies": [],
    });
    if let Some(key) = &latest.key_arn {
        shown["KeyId"] = json!(key);
    }
    shown
}
