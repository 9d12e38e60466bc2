//! Where the fake pretends to be: one account in one Region, and the ARNs that follow from it.

/// The account and Region that every ARN of the fake is built from.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub region: String,
    pub account: String,
}

impl Site {
    pub fn partition(&self) -> &'static str {
        if self.region.starts_with("cn-") {
            "aws-cn"
        } else if self.region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }

    fn arn(&self, service: &str, region: &str, account: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition())
    }

    /// `folded` is a name without its leading slash, see `name::fold`.
    pub fn parameter_arn(&self, account: &str, folded: &str) -> String {
        self.arn("ssm", &self.region, account, &format!("parameter/{folded}"))
    }

    /// The resource of actions that have none of their own, such as DescribeParameters.
    pub fn all_of_ssm(&self) -> String {
        self.arn("ssm", &self.region, &self.account, "*")
    }

    pub fn key_arn(&self, id: &str) -> String {
        self.arn("kms", &self.region, &self.account, &format!("key/{id}"))
    }

    pub fn secret_arn(&self, id: &str) -> String {
        self.arn("secretsmanager", &self.region, &self.account, &format!("secret:{id}-a1b2c3"))
    }

    pub fn role_arn(&self, role: &str) -> String {
        self.arn("iam", "", &self.account, &format!("role/{role}"))
    }

    pub fn user_arn(&self, user: &str) -> String {
        self.arn("iam", "", &self.account, &format!("user/{user}"))
    }

    pub fn session_arn(&self, role: &str, session: &str) -> String {
        self.arn("sts", "", &self.account, &format!("assumed-role/{role}/{session}"))
    }
}
