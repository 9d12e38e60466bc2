//! What a request is, seen from outside: its service, operation and names. The log shows this and
//! faults match on it, before anything is checked.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::form;
use crate::http::Request;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Imds,
    Container,
    Ssm,
    Sts,
    Proxy,
    /// Something that is no request of a known service.
    Other,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imds => "imds",
            Self::Container => "container",
            Self::Ssm => "ssm",
            Self::Sts => "sts",
            Self::Proxy => "proxy",
            Self::Other => "other",
        })
    }
}

/// A listening address, and with it the services that can be meant there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Aws,
    Imds,
}

impl Endpoint {
    pub fn services(self) -> &'static [Service] {
        match self {
            Self::Aws => &[Service::Ssm, Service::Sts],
            Self::Imds => &[Service::Imds, Service::Container],
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub service: Service,
    pub operation: String,
    /// Parameter names, a path, or a role ARN.
    pub names: Vec<String>,
    pub with_decryption: Option<bool>,
}

pub(crate) const CONTAINER_PATH: &str = "/v2/credentials/";
pub(crate) const ROLES_PATH: &str = "/latest/meta-data/iam/security-credentials";

impl Call {
    fn new(service: Service, operation: &str, names: Vec<String>) -> Self {
        Self { service, operation: operation.to_owned(), names, with_decryption: None }
    }

    pub fn of(endpoint: Endpoint, request: &Request) -> Self {
        match endpoint {
            Endpoint::Imds => Self::of_imds(request),
            Endpoint::Aws => Self::of_aws(request),
        }
    }

    fn of_imds(request: &Request) -> Self {
        let path = request.path();
        if path.starts_with(CONTAINER_PATH) {
            return Self::new(Service::Container, "GetCredentials", Vec::new());
        }
        let role = path.strip_prefix(ROLES_PATH).and_then(|rest| rest.strip_prefix('/'));
        let (operation, names) = match (path, role) {
            ("/latest/api/token", _) => ("PutToken", Vec::new()),
            (_, Some("")) | (ROLES_PATH, _) => ("ListRoles", Vec::new()),
            (_, Some(role)) => ("GetRole", vec![form::decode(role)]),
            ("/latest/meta-data/placement/region", _) => ("GetRegion", Vec::new()),
            ("/latest/dynamic/instance-identity/document", _) => ("GetIdentityDocument", Vec::new()),
            _ => ("GetOther", vec![path.to_owned()]),
        };
        Self::new(Service::Imds, operation, names)
    }

    fn of_aws(request: &Request) -> Self {
        if let Some(operation) = request.header("x-amz-target").and_then(|t| t.strip_prefix("AmazonSSM.")) {
            let input = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            let mut call = Self::new(Service::Ssm, operation, ssm_names(&input));
            call.with_decryption = input.get("WithDecryption").and_then(Value::as_bool);
            return call;
        }
        let fields = form::fields(request);
        match form::field(&fields, "Action") {
            Some(action) => {
                let role = form::field(&fields, "RoleArn").map(str::to_owned);
                Self::new(Service::Sts, action, role.into_iter().collect())
            }
            None => Self::new(Service::Other, &request.method, vec![request.target.clone()]),
        }
    }
}

fn ssm_names(input: &Value) -> Vec<String> {
    let many = input.get("Names").and_then(Value::as_array).into_iter().flatten();
    let one = [input.get("Name"), input.get("Path")].into_iter().flatten();
    many.chain(one).filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imds(target: &str) -> (Service, String, Vec<String>) {
        let request = Request { target: target.to_owned(), ..Request::default() };
        let call = Call::of(Endpoint::Imds, &request);
        (call.service, call.operation, call.names)
    }

    #[test]
    fn imds_paths() {
        for (target, operation, names) in [
            ("/latest/api/token", "PutToken", vec![]),
            ("/latest/meta-data/iam/security-credentials", "ListRoles", vec![]),
            ("/latest/meta-data/iam/security-credentials/", "ListRoles", vec![]),
            ("/latest/meta-data/iam/security-credentials/a%20b", "GetRole", vec!["a b".to_owned()]),
            ("/latest/meta-data/placement/region", "GetRegion", vec![]),
            (
                "/latest/meta-data/iam/security-credentials-extended/",
                "GetOther",
                vec!["/latest/meta-data/iam/security-credentials-extended/".to_owned()],
            ),
        ] {
            assert_eq!(imds(target), (Service::Imds, operation.to_owned(), names), "{target}");
        }
        assert_eq!(imds("/v2/credentials/x").0, Service::Container);
    }

    #[test]
    fn aws_requests() {
        let request = Request {
            headers: vec![("x-amz-target".into(), "AmazonSSM.GetParameters".into())],
            body: br#"{"Names": ["a", "b:1"], "WithDecryption": true}"#.to_vec(),
            ..Request::default()
        };
        let call = Call::of(Endpoint::Aws, &request);
        assert_eq!((call.operation.as_str(), call.with_decryption), ("GetParameters", Some(true)));
        assert_eq!(call.names, ["a", "b:1"]);
        let request = Request { body: b"Action=AssumeRole&RoleArn=arn%3Ax".to_vec(), ..Request::default() };
        let call = Call::of(Endpoint::Aws, &request);
        assert_eq!((call.service, call.names), (Service::Sts, vec!["arn:x".to_owned()]));
    }
}
