//! The role that the fetch assumes: `--role-arn` and what goes with it, before the same in the spec. Checked here, because
//! AWS would tell what is wrong with it only on the host where it runs.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_RequestParameters>

use std::ops::Range;

use super::table::Table;
use crate::cli::RoleOptions;
use crate::error::{Exit, Failure, printable};
use crate::parameter::is_account;
use crate::setting::{Origin, Role};

/// What CloudTrail shows of a session that nobody named.
pub(super) const SESSION: &str = "stepzero";

/// A text, and where it was written.
type Written = Option<(String, Origin)>;

/// What one place says of the role.
#[derive(Debug, Default)]
pub struct RoleSpec {
    arn: Written,
    external_id: Written,
    session_name: Written,
}

impl RoleSpec {
    pub fn read(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Self {
        let text = table.text.clone();
        let place = |(value, span): (String, Range<usize>)| (value, text.origin(&span));
        RoleSpec {
            arn: table.string("role_arn", errors).map(place),
            external_id: table.string("external_id", errors).map(place),
            session_name: table.string("role_session_name", errors).map(place),
        }
    }

    fn typed(options: RoleOptions) -> Self {
        let flag = |value: Option<String>, name| value.map(|value| (value, Origin::Flag(name)));
        RoleSpec {
            arn: flag(options.role_arn, "--role-arn"),
            external_id: flag(options.external_id, "--external-id"),
            session_name: flag(options.role_session_name, "--role-session-name"),
        }
    }
}

/// Each flag goes before the same key of the spec. An empty ARN is a wrong one, and not none: it would end with the
/// identity that was to assume the role.
pub fn merged(options: RoleOptions, file: RoleSpec, errors: &mut Vec<Failure>) -> Option<Role> {
    let flags = RoleSpec::typed(options);
    let external_id = flags.external_id.or(file.external_id);
    let session_name = flags.session_name.or(file.session_name);
    let Some(arn) = flags.arn.or(file.arn) else {
        let alone = external_id.iter().chain(&session_name);
        errors.extend(alone.map(|(_, origin)| {
            wrong(origin, "there is no role that it is for").help("say --role-arn, or role_arn in the spec")
        }));
        return None;
    };
    let arn = checked(arn, is_role, "is not the ARN of a role: arn:aws:iam::123456789012:role/NAME", errors);
    let mut checked_text = |text: Written, most, more: &str, why| {
        let fits =
            |text: &str| (2..=most).contains(&text.len()) && text.chars().all(|c| is_word(c) || more.contains(c));
        text.map(|text| checked(text, fits, why, errors))
    };
    let external_id = checked_text(
        external_id,
        1224,
        ":/",
        "is not an external ID: 2 to 1224 characters of a-z A-Z 0-9 _ + = , . @ : / -",
    );
    let session_name = checked_text(
        session_name,
        64,
        "",
        "is not the name of a session: 2 to 64 characters of a-z A-Z 0-9 _ + = , . @ -",
    );
    Some(Role { arn, external_id, session_name: session_name.unwrap_or_else(|| SESSION.to_owned()) })
}

/// The text; with an error, unless it is good.
fn checked(
    (text, origin): (String, Origin),
    good: impl Fn(&str) -> bool,
    why: &str,
    errors: &mut Vec<Failure>,
) -> String {
    if !good(&text) {
        errors.push(wrong(&origin, &format!("\"{}\" {why}", printable(&text))));
    }
    text
}

fn wrong(origin: &Origin, why: &str) -> Failure {
    let exit = if origin.is_flag() { Exit::Usage } else { Exit::Config };
    Failure::new(exit, format!("{origin}: {why}"))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// `arn:PARTITION:iam::ACCOUNT:role/NAME`, with a path before the name or without.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
fn is_role(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = fields[..] else { return false };
    let is_partition = partition.starts_with("aws") && partition.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let Some((path, name)) = resource.strip_prefix("role/").map(|rest| rest.rsplit_once('/').unwrap_or(("", rest)))
    else {
        return false;
    };
    let is_path = path.len() <= 510 && path.chars().all(|c| c.is_ascii_graphic());
    is_partition && is_account(account) && is_path && (1..=64).contains(&name.len()) && name.chars().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_role() {
        for good in [
            "arn:aws:iam::123456789012:role/reader",
            "arn:aws-cn:iam::123456789012:role/path/to/re+a=d,e.r@x-y_z",
            "arn:aws-us-gov:iam::123456789012:role/aws-reserved/sso.amazonaws.com/r",
        ] {
            assert!(is_role(good), "{good}");
        }
        let long = format!("arn:aws:iam::123456789012:role/{}", "r".repeat(65));
        for bad in [
            "",
            "reader",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a/",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:user/reader",
            "arn:aws:iam::12345:role/reader",
            "arn:aws:iam:us-east-1:123456789012:role/reader",
            "arn:aws:sts::123456789012:assumed-role/reader/x",
            "arn::iam::123456789012:role/reader",
            " arn:aws:iam::123456789012:role/reader",
            "arn:aws:iam::123456789012:role/rea der",
            "arn:aws:iam::123456789012:role/reader\nexternal_id = x",
            "arn:aws:iam::123456789012:role/a b/reader",
            &long,
        ] {
            assert!(!is_role(bad), "{bad:?}");
        }
    }
}
