//! Where the resources of a policy are: partition, Region and account, said, implied, or left open.

use crate::cli::{PolicyFormat, PolicyOptions};
use crate::error::{Exit, Failure, Failures, printable};
use crate::parameter::is_account;

/// The parts of the ARNs.
pub struct ArnParts {
    pub partition: String,
    pub region: String,
    pub account: String,
    /// The options that would fill the placeholders.
    pub open: Vec<&'static str>,
}

impl ArnParts {
    pub fn new(options: &PolicyOptions, region: Option<&str>) -> Result<Self, Failures> {
        Failures::check(wrong(options))?;
        let mut open = Vec::new();
        let mut or = |known: Option<&str>, option, placeholder: &str, pseudo: &str| match (known, options.format) {
            (Some(known), _) => known.to_owned(),
            (None, PolicyFormat::Cloudformation) => format!("${{AWS::{pseudo}}}"),
            (None, PolicyFormat::Json) => {
                open.push(option);
                placeholder.to_owned()
            }
        };
        let implied = match options.format {
            PolicyFormat::Json => region.map(partition_of),
            PolicyFormat::Cloudformation => None,
        };
        let partition = or(options.partition.as_deref().or(implied), "--partition", "<partition>", "Partition");
        let region = or(region, "--region", "<region>", "Region");
        let account = or(options.account.as_deref(), "--account", "<account>", "AccountId");
        Ok(ArnParts { partition, region, account, open })
    }

    pub fn arn(&self, service: &str, account: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{account}:{resource}", self.partition, self.region)
    }

    pub fn parameter(&self, name: &str) -> String {
        self.arn("ssm", &self.account, &format!("parameter/{name}"))
    }

    /// Of a parameter that AWS publishes.
    pub fn public(&self, name: &str) -> String {
        self.arn("ssm", "", &format!("parameter/{name}"))
    }

    /// How KMS names the service that asks it.
    pub fn via(&self, service: &str) -> Vec<String> {
        let host = format!("{service}.{}.amazonaws.com", self.region);
        let china = (self.partition == "aws-cn").then(|| format!("{host}.cn"));
        std::iter::once(host).chain(china).collect()
    }
}

fn wrong(options: &PolicyOptions) -> Vec<Failure> {
    let usage = |what: String, help: &str| Failure::new(Exit::Usage, what).help(help);
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let account = options.account.iter().filter(|text| !is_account(text));
    let account =
        account.map(|text| usage(format!("--account: \"{}\" is not an account", printable(text)), "it has 12 digits"));
    let partition = options.partition.iter().filter(|text| !word(text));
    let partition = partition.map(|text| {
        usage(format!("--partition: \"{}\" is not a partition", printable(text)), "it is aws, aws-cn or aws-us-gov")
    });
    let keys = options.kms_key.iter().filter(|text| !is_key(text)).map(|text| {
        let help = "IAM compares the key's own ARN, arn:PARTITION:kms:REGION:ACCOUNT:key/ID, and never an alias";
        usage(format!("--kms-key: \"{}\" is not the ARN of a key", printable(text)), help)
    });
    account.chain(partition).chain(keys).collect()
}

fn is_key(text: &str) -> bool {
    let fields: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "kms", region, account, resource] = fields[..] else { return false };
    let id = resource.strip_prefix("key/").unwrap_or("");
    [partition, region, account, id]
        .iter()
        .all(|field| !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
fn partition_of(region: &str) -> &'static str {
    let known = [("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-isob-", "aws-iso-b"), ("us-iso-", "aws-iso")];
    known.iter().find(|(start, _)| region.starts_with(start)).map_or("aws", |(_, partition)| partition)
}
