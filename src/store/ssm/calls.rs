//! The two calls of Parameter Store, on one connection: `GetParameters`, and `GetParametersByPath` page by page.
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>

use std::rc::Rc;

use serde_json::json;

use crate::answers::{Kind, LoadReply, Parameter, Reply};
use crate::error::{Exit, Failure, printable};
use crate::parameter::{PathRequest, Request};
use crate::store::net::connection::Connection;
use crate::store::retry::error::{AttemptError, Cause, Operation};
use crate::store::ssm::answers::{Unmatched, match_call};
use crate::store::ssm::client::{self, Output};
use crate::store::ssm::session::Session;

/// Ten parameters each: more than any environment holds, or a server that never ends.
const MOST_PAGES: usize = 1000;

/// One connection, and the session that signs the calls made on it.
pub struct SignedConnection<'a> {
    pub session: &'a Session<'a>,
    pub connection: &'a mut Connection,
}

impl SignedConnection<'_> {
    /// One call. The replies are in the order of the requests.
    pub async fn get_parameters(&mut self, asked: &[Request]) -> Result<Vec<Reply>, AttemptError> {
        let names: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let body = json!({ "Names": names, "WithDecryption": true });
        let read = |answer: Output| {
            let items = items(answer.parameters);
            let items = items.ok_or_else(|| garbled("a parameter without name, type, version or value"))?;
            match_call(asked, items, &answer.invalid_parameters.unwrap_or_default()).map_err(garbled)
        };
        self.session.call(self.connection, Operation::GetParameters, &body, read).await
    }

    /// All pages of a path, or nothing.
    pub async fn get_parameters_by_path(&mut self, asked: &PathRequest) -> Result<LoadReply, AttemptError> {
        let mut found = Vec::new();
        let mut tokens: Vec<String> = Vec::new();
        loop {
            let (page, token) = self.page(asked, tokens.last()).await?;
            found.extend(page);
            // A page can be empty and still not be the last one; only a missing token ends it.
            match token.filter(|token| !token.is_empty()) {
                None => return Ok(LoadReply::Found(found)),
                Some(token) if tokens.contains(&token) => return Ok(LoadReply::GaveUp(endless(&asked.path))),
                Some(_) if tokens.len() + 1 == MOST_PAGES => return Ok(LoadReply::TooMany(MOST_PAGES)),
                Some(token) => tokens.push(token),
            }
        }
    }

    async fn page(
        &mut self,
        asked: &PathRequest,
        token: Option<&String>,
    ) -> Result<(Vec<Parameter>, Option<String>), AttemptError> {
        let mut body =
            json!({ "Path": asked.path, "Recursive": asked.recursive, "WithDecryption": true, "MaxResults": 10 });
        if let Some(label) = &asked.label {
            body["ParameterFilters"] = json!([{ "Key": "Label", "Option": "Equals", "Values": [label.to_string()] }]);
        }
        if let Some(token) = token {
            body["NextToken"] = json!(token);
        }
        let read = |answer: Output| {
            let items = items(answer.parameters)
                .filter(|items| items.iter().all(|item| is_below(&asked.path, &item.parameter.name)))
                .ok_or_else(|| garbled("a parameter without its parts, or of another path"))?;
            Ok((items.into_iter().map(|item| item.parameter).collect(), answer.next_token))
        };
        self.session.call(self.connection, Operation::GetParametersByPath, &body, read).await
    }
}

/// A path that cannot be listed to its end.
fn endless(path: &str) -> Failure {
    let what = format!("Parameter Store lists {} without end: the same page token again", printable(path));
    Failure::new(Exit::TempFail, what)
}

fn is_below(path: &str, name: &str) -> bool {
    path == "/" || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}

/// A malformed or incomplete answer. The next one may be whole.
fn garbled(why: &str) -> AttemptError {
    AttemptError::Transient(Cause::new(format!("Parameter Store's answer is not usable: {why}")))
}

/// `None` when one of them lacks a part.
fn items(parameters: Option<Vec<client::Parameter>>) -> Option<Vec<Unmatched>> {
    parameters.unwrap_or_default().into_iter().map(item).collect()
}

/// `None` when a part is missing.
fn item(item: client::Parameter) -> Option<Unmatched> {
    let kind = match item.r#type?.as_str() {
        "String" => Kind::String,
        "StringList" => Kind::StringList,
        "SecureString" => Kind::SecureString,
        _ => return None,
    };
    let parameter = Parameter {
        name: item.name?,
        version: item.version.unwrap_or_default(),
        version_id: item.version_id,
        modified: item.last_modified_date,
        kind,
        value: Rc::new(item.value?),
    };
    let selector = item.selector.filter(|selector| !selector.is_empty());
    Some(Unmatched { arn: item.arn, selector, parameter })
}
