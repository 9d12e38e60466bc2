//! The calls as bytes, signed with Signature Version 4, for the floor client.

use ring::{digest, hmac};
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

/// Who signs.
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// `GetParameters` for `/bench/SIZE/k…`, ten names a call, in the floor client's form.
pub fn file(keys: &Keys, host: &str, size: usize) -> Vec<u8> {
    let names: Vec<String> = (0..size).map(|at| format!("/bench/{size}/k{at}")).collect();
    let mut bytes = Vec::new();
    for batch in names.chunks(10) {
        let request = signed(keys, host, &json!({ "Names": batch, "WithDecryption": true }).to_string());
        bytes.extend_from_slice(&u32::try_from(request.len()).expect("it is small").to_le_bytes());
        bytes.extend_from_slice(request.as_bytes());
    }
    bytes
}

fn signed(keys: &Keys, host: &str, body: &str) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let now = OffsetDateTime::now_utc().format(&format).expect("the format fits");
    let date = &now[..8];
    let mut headers = vec![("host", host), ("x-amz-date", &now)];
    headers.extend(keys.token.as_deref().map(|token| ("x-amz-security-token", token)));
    headers.push(("x-amz-target", "AmazonSSM.GetParameters"));
    let canonical: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let request = format!("POST\n/\n\n{canonical}\n{names}\n{}", sha256(body));
    let scope = format!("{date}/us-east-1/ssm/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", sha256(&request));
    let key = ["us-east-1", "ssm", "aws4_request", &to_sign]
        .iter()
        .fold(mac(format!("AWS4{}", keys.secret).as_bytes(), date), |key, part| mac(&key, part));
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}", keys.id, hex(&key));
    format!(
        "POST / HTTP/1.1\r\n{lines}authorization: {authorization}\r\ncontent-type: application/x-amz-json-1.1\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len(),
    )
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
