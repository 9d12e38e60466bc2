//! AWS Signature Version 4, computed anew from a request as the server sees it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::form;
use crate::http::Request;

/// The parts of an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub access_key_id: String,
    pub date: String,
    pub region: String,
    pub service: String,
    pub signed_headers: Vec<String>,
    pub signature: String,
}

impl Authorization {
    pub fn parse(header: &str) -> Option<Self> {
        let fields = header.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| fields.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential")?.split('/');
        let mut next = || scope.next().map(str::to_owned);
        let (access_key_id, date, region, service) = (next()?, next()?, next()?, next()?);
        if next()? != "aws4_request" || next().is_some() {
            return None;
        }
        let signed_headers = field("SignedHeaders")?.split(';').map(str::to_owned).collect();
        let signature = field("Signature")?.to_owned();
        Some(Self { access_key_id, date, region, service, signed_headers, signature })
    }

    /// The signature that a request should carry when signed with this secret at this time.
    pub fn expected(&self, secret: &str, request: &Request, amz_date: &str) -> String {
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let canonical = hex::encode(Sha256::digest(self.canonical_request(request)));
        let to_sign = format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{canonical}");
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), &self.date);
        for part in [self.region.as_str(), &self.service, "aws4_request"] {
            key = hmac(&key, part);
        }
        hex::encode(hmac(&key, &to_sign))
    }

    fn canonical_request(&self, request: &Request) -> String {
        let mut headers = String::new();
        for name in &self.signed_headers {
            let values = request.headers.iter().filter(|(key, _)| key == name);
            let values: Vec<_> = values.map(|(_, value)| collapse(value)).collect();
            headers.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            request.method,
            request.path(),
            canonical_query(request.query()),
            self.signed_headers.join(";"),
            hex::encode(Sha256::digest(&request.body)),
        )
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn collapse(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn canonical_query(query: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let encode = |text: &str| utf8_percent_encode(&form::decode(text), &RESERVED).to_string();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> =
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (encode(k), encode(v))).collect();
    pairs.sort();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn signed(target: &str) -> (Authorization, Request) {
        let header = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=00";
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        let request = Request {
            method: "GET".into(),
            target: target.into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Vec::new(),
        };
        (Authorization::parse(header).expect("a valid header"), request)
    }

    /// `get-vanilla` and `get-vanilla-query-order-key-case` of AWS's published test suite.
    #[test]
    fn published_vectors() {
        for (target, signature) in [
            ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ] {
            let (authorization, request) = signed(target);
            assert_eq!(authorization.expected(SECRET, &request, "20150830T123600Z"), signature, "{target}");
        }
    }

    #[test]
    fn every_part_counts() {
        let (authorization, request) = signed("/");
        let good = authorization.expected(SECRET, &request, "20150830T123600Z");
        let other_body = Request { body: b"x".to_vec(), ..request.clone() };
        assert_ne!(authorization.expected(SECRET, &other_body, "20150830T123600Z"), good);
        assert_ne!(authorization.expected("other", &request, "20150830T123600Z"), good);
        let elsewhere = Authorization { region: "eu-west-1".into(), ..authorization };
        assert_ne!(elsewhere.expected(SECRET, &request, "20150830T123600Z"), good);
    }

    #[test]
    fn headers_that_are_none() {
        for header in ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=h, Signature=0"] {
            assert_eq!(Authorization::parse(header), None, "{header}");
        }
    }
}
