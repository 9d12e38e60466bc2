//! Which fault applies when, and the JSON form.

use super::*;

fn call(operation: &str, names: &[&str]) -> Call {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Call { service: Service::Ssm, operation: operation.to_owned(), names, with_decryption: None }
}

fn labels(faults: &mut Faults, calls: &[Call]) -> Vec<String> {
    let label = |chosen: Option<Chosen>| chosen.map_or_else(|| "-".to_owned(), |c| c.action.label());
    calls.iter().map(|call| label(faults.for_call(call, 1))).collect()
}

#[test]
fn a_row_of_once_is_a_sequence() {
    let mut faults =
        Faults(vec![Fault::once(Action::Hang), Fault::once(Action::Pass), Fault::times(2, Action::EchoValues)]);
    let calls: Vec<_> = (0..6).map(|_| call("GetParameters", &[])).collect();
    assert_eq!(labels(&mut faults, &calls), ["Hang", "Pass", "EchoValues", "EchoValues", "-", "-"]);
}

#[test]
fn matchers() {
    let mut faults = Faults(vec![
        Fault::always(Action::Hang).operation("GetParametersByPath").nth(2),
        Fault::always(Action::Pass).name("secret"),
        Fault::always(Action::EchoValues).service(Service::Imds),
        Fault::always(Action::EndlessHeaders).connection(2),
        Fault::always(Action::HangAccept),
    ]);
    let calls = [
        call("GetParametersByPath", &["/a"]),
        call("GetParameters", &["x", "the.secret.key"]),
        call("GetParametersByPath", &["/a"]),
        call("GetParametersByPath", &["/a"]),
    ];
    assert_eq!(labels(&mut faults, &calls), ["-", "Pass", "Hang", "-"]);
    let chosen = faults.for_connection(&[Service::Ssm, Service::Sts], 7);
    assert!(matches!(chosen, Some(Chosen { action: Action::HangAccept, .. })));
}

#[test]
fn json_form() {
    let fault = |text: &str| serde_json::from_str::<Fault>(text);
    let parsed = fault(r#"{"action": {"delay": 250}, "service": "ssm", "times": 3}"#).expect("valid");
    assert!(matches!(parsed.action, Action::Delay(d) if d == Duration::from_millis(250)));
    assert_eq!((parsed.service, parsed.left), (Some(Service::Ssm), Some(3)));
    let slow = fault(r#"{"action": {"slow": {"bytes": 1, "tick_ms": 5}}}"#).expect("valid");
    assert!(matches!(slow.action, Action::Slow { bytes: 1, .. }) && slow.left.is_none());
    assert!(fault(r#"{"action": "hang-accept"}"#).is_ok());
    assert!(fault(r#"{"action": {"status": {"status": 503}}}"#).is_ok());
    assert!(fault(r#"{"action": "hang", "tymes": 1}"#).is_err());
}
