//! The least-privilege IAM policy for a plan: what `exec` will ask for, and nothing beside it. Names only, no network.
//!
//! What AWS evaluates: `ssm:GetParameters` on each parameter's ARN, without its selector; `ssm:GetParametersByPath` on
//! the ARN of the path alone, also for what lies deeper
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html>);
//! `secretsmanager:GetSecretValue` on a secret's ARN, which ends in six characters that AWS chose; and `kms:Decrypt` on
//! the key, as the service that asks for it, with the ARN of what is decrypted in the encryption context
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html>).
#![forbid(unsafe_code)]

mod arn;
mod writer;

use serde_json::{Value as Json, json};

use crate::cli::{PolicyFormat, PolicyOptions};
use crate::error::Failures;
use crate::parameter::{PUBLIC_PREFIX, Request, SECRET_PREFIX, Subject};
use crate::plan::Plan;
use arn::ArnParts;

/// A managed policy holds at most so many characters, white space not counted.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST_CHARACTERS: usize = 6144;

/// The policy as text, and what its reader should know beside it.
#[derive(Debug)]
pub struct Document {
    pub text: String,
    pub warnings: Vec<String>,
}

/// Makes the policy. `region` is where the parameters are; it and what the options leave open become placeholders, or
/// CloudFormation's pseudo parameters.
pub fn document(plan: &Plan, options: &PolicyOptions, region: Option<&str>) -> Result<Document, Failures> {
    let parts = ArnParts::new(options, region)?;
    let needs = Needs::new(plan, options.whole_scopes, &parts);
    let (statements, left_out) = match options.writer {
        true => writer::statements(&needs, &options.kms_key, &parts),
        false => (statements(&needs, &options.kms_key, &parts), Vec::new()),
    };
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    let mut warnings = warnings(plan, &policy, &parts);
    if !left_out.is_empty() {
        warnings
            .push(format!("left out, because PutParameter in this account cannot write it: {}", left_out.join(", ")));
    }
    let policy = match (options.format, options.writer) {
        (PolicyFormat::Json, _) => policy,
        (PolicyFormat::Cloudformation, false) => template(&policy, "StepzeroPolicy", "What stepzero may read"),
        (PolicyFormat::Cloudformation, true) => {
            template(&policy, "StepzeroWriterPolicy", "What may be put for stepzero to read")
        }
    };
    // A Json of strings always prints.
    let text = serde_json::to_string_pretty(&policy).unwrap_or_default() + "\n";
    Ok(Document { text, warnings })
}

/// The resources that the plan touches, each once, in its order.
#[derive(Default)]
struct Needs {
    /// What `GetParameters` is called on.
    parameters: Vec<String>,
    paths: Vec<String>,
    secrets: Vec<String>,
    /// What a key of somebody's own may have to decrypt: ARNs, or patterns of them.
    encrypted: Vec<String>,
    /// The accounts whose keys that would be.
    accounts: Vec<String>,
}

impl Needs {
    fn new(plan: &Plan, whole_scopes: bool, parts: &ArnParts) -> Self {
        let mut needs = Needs::default();
        if whole_scopes {
            for scope in &plan.scopes {
                needs.parameter(parts.parameter(scope.name_of("*").trim_start_matches('/')), &parts.account);
            }
        }
        for request in &plan.requests {
            needs.request(request, parts);
        }
        for load in &plan.loads {
            let path = load.path.trim_start_matches('/');
            if format!("{}/", load.path).starts_with(PUBLIC_PREFIX) {
                add(&mut needs.paths, parts.public(path));
                continue;
            }
            add(&mut needs.paths, parts.parameter(path));
            let below = if path.is_empty() { "*".to_owned() } else { format!("{path}/*") };
            needs.encrypts(parts.parameter(&below), &parts.account);
        }
        needs
    }

    fn request(&mut self, request: &Request, parts: &ArnParts) {
        let name = request.name();
        let (arn, account) = match &request.subject {
            Subject::Name(name) => (parts.parameter(name.without_leading_slash()), parts.account.as_str()),
            Subject::Arn(arn) => (arn.as_str().to_owned(), arn.as_str().split(':').nth(4).unwrap_or_default()),
        };
        if name.is_public() {
            // AWS's own: of no account, and never encrypted.
            let arn = if account.is_empty() { arn } else { parts.public(name.without_leading_slash()) };
            return add(&mut self.parameters, arn);
        }
        if let Some(id) = name.as_str().strip_prefix(SECRET_PREFIX) {
            add(&mut self.parameters, arn);
            add(&mut self.secrets, parts.arn("secretsmanager", account, &format!("secret:{id}-??????")));
            add(&mut self.accounts, account.to_owned());
        } else {
            self.parameter(arn, account);
        }
    }

    fn parameter(&mut self, arn: String, account: &str) {
        add(&mut self.parameters, arn.clone());
        self.encrypts(arn, account);
    }

    fn encrypts(&mut self, arn: String, account: &str) {
        add(&mut self.encrypted, arn);
        add(&mut self.accounts, account.to_owned());
    }
}

/// Each once, and none that a pattern before it covers.
fn add(list: &mut Vec<String>, arn: String) {
    let covered = |known: &String| known.strip_suffix('*').is_some_and(|start| arn.starts_with(start));
    if !list.iter().any(|known| *known == arn || covered(known)) {
        list.push(arn);
    }
}

fn statements(needs: &Needs, keys: &[String], parts: &ArnParts) -> Vec<Json> {
    let read = allow("ReadParameters", &["ssm:GetParameters"], &needs.parameters);
    let list = allow("ReadPaths", &["ssm:GetParametersByPath"], &needs.paths);
    let secrets = allow("ReadSecrets", &["secretsmanager:GetSecretValue"], &needs.secrets);
    let decrypt = with_keys("Decrypt", &["kms:Decrypt"], needs, keys, parts);
    [read, list, secrets, decrypt].into_iter().flatten().collect()
}

/// `None` when there is nothing to allow it on.
fn allow(sid: &str, actions: &[&str], resources: &[String]) -> Option<Json> {
    let action = if let [one] = actions { json!(one) } else { json!(actions) };
    (!resources.is_empty())
        .then(|| json!({ "Sid": sid, "Effect": "Allow", "Action": action, "Resource": texts(resources) }))
}

/// These keys, or any of the accounts, for what is encrypted and for nothing else.
fn with_keys(sid: &str, actions: &[&str], needs: &Needs, keys: &[String], parts: &ArnParts) -> Option<Json> {
    let any: Vec<String> = needs.accounts.iter().map(|account| parts.arn("kms", account, "key/*")).collect();
    // Without accounts there is nothing that is encrypted.
    let keys = if keys.is_empty() || any.is_empty() { &any } else { keys };
    let mut statement = allow(sid, actions, keys)?;
    statement["Condition"] = bounds(needs, parts);
    Some(statement)
}

/// A key only as Parameter Store uses it, and only for these parameters. A secret has a service and a context
/// key of its own; `IfExists` lets one statement hold for both, because each always carries its own key.
fn bounds(needs: &Needs, parts: &ArnParts) -> Json {
    const PARAMETER: &str = "kms:EncryptionContext:PARAMETER_ARN";
    const SECRET: &str = "kms:EncryptionContext:SecretARN";
    let (parameters, secrets) = (&needs.encrypted, &needs.secrets);
    let mut via = Vec::new();
    let mut bound = serde_json::Map::new();
    for (key, service, arns) in [(PARAMETER, "ssm", parameters), (SECRET, "secretsmanager", secrets)] {
        if !arns.is_empty() {
            via.extend(parts.via(service));
            bound.insert(key.into(), texts(arns));
        }
    }
    let patterns = parameters.iter().chain(secrets).any(|arn| arn.contains(['*', '?']));
    let operator = match (parameters.is_empty() || secrets.is_empty(), patterns) {
        (false, _) => "StringLikeIfExists",
        (true, true) => "StringLike",
        (true, false) => "StringEquals",
    };
    let mut conditions = json!({ "StringEquals": { "kms:ViaService": texts(&via) } });
    for (key, arns) in bound {
        conditions[operator][key] = arns;
    }
    conditions
}

/// One text, or a list of them. What names a pseudo parameter is substituted by CloudFormation.
fn texts(texts: &[String]) -> Json {
    let text = |text: &String| if text.contains("${") { json!({ "Fn::Sub": text }) } else { json!(text) };
    match texts {
        [one] => text(one),
        many => many.iter().map(text).collect(),
    }
}

/// A stack with the policy in it, to be deployed as it is or copied from.
fn template(policy: &Json, name: &str, what: &str) -> Json {
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("{what}, made by stepzero policy"),
        "Resources": { name: { "Type": "AWS::IAM::ManagedPolicy", "Properties": { "PolicyDocument": policy } } },
        "Outputs": {
            format!("{name}Arn"): { "Description": "For ManagedPolicyArns of the role", "Value": { "Ref": name } }
        },
    })
}

fn warnings(plan: &Plan, policy: &Json, parts: &ArnParts) -> Vec<String> {
    let mut warnings = Vec::new();
    // A policy for public parameters alone has no account in it.
    let text = policy.to_string();
    let open = parts.open.iter().filter(|option| text.contains(&format!("<{}>", option.trim_start_matches("--"))));
    let open: Vec<&str> = open.copied().collect();
    if !open.is_empty() {
        warnings.push(format!("the policy has placeholders: fill them in, or say {}", open.join(" and ")));
    }
    let size = text.chars().filter(|c| !c.is_whitespace()).count();
    if size > MOST_CHARACTERS {
        let whole = if plan.scopes.is_empty() { "" } else { "say --whole-scopes, or " };
        warnings.push(format!(
            "the policy has {size} characters, of at most {MOST_CHARACTERS} in a managed policy: {whole}split the spec"
        ));
    }
    if !plan.kept.is_empty() {
        let kept: Vec<String> = plan.kept.iter().map(ToString::to_string).collect();
        warnings.push(format!("left out, because --existing is keep and it is set here: {}", kept.join(", ")));
    }
    if policy["Statement"] == json!([]) {
        warnings.push("there is nothing to allow, so the policy allows nothing, which IAM refuses".to_owned());
    }
    warnings
}
