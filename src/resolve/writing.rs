//! The command that puts a missing parameter there. A value on a command line can be read by every user of the machine and
//! stays in the shell's history, so it comes from standard input.

use crate::name::EnvName;
use crate::parameter::{ParameterName, Subject};
use crate::plan::Plan;

/// What the variable's most specific name is put by; `None` where that name cannot be put, or would not be enough: a
/// secret, a parameter of AWS's own or of another account, or a version or label that is missing.
///
/// `$(cat)` takes the newline away that ends a typed line, and `printf` is a part of the shell, so that no process has the
/// value among its arguments. `aws` reads standard input as a file.
pub fn command(plan: &Plan, variable: &EnvName) -> Option<String> {
    let variable = plan.variables.iter().find(|planned| planned.name == *variable)?;
    let candidate = variable.candidates.first()?;
    let request = plan.request(candidate.request);
    let name = match &request.subject {
        Subject::Name(name) if request.selector.is_none() && !is_reserved(name) => name.as_str(),
        _ => return None,
    };
    // The grammar of a name has nothing that a shell would read, but an option of the command begins with a hyphen too.
    let joint = if name.starts_with('-') { "=" } else { " " };
    let key = candidate.scope.as_ref().and_then(|scope| scope.key_alias());
    let kind = match (&variable.shape.list, key) {
        (Some(_), _) => "StringList".to_owned(),
        (None, Some(alias)) => format!("SecureString --key-id {alias}"),
        (None, None) => "SecureString".to_owned(),
    };
    Some(format!(
        "printf %s \"$(cat)\" | aws ssm put-parameter --name{joint}{name} --type {kind} --value file:///dev/stdin"
    ))
}

/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html#API_PutParameter_RequestParameters>
fn is_reserved(name: &ParameterName) -> bool {
    let start = name.without_leading_slash().get(..3).unwrap_or_default();
    ["aws", "ssm"].iter().any(|reserved| start.eq_ignore_ascii_case(reserved))
}
