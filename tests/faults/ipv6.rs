//! IMDS in networks that have one of its two fixed addresses, or none.

use fake_aws::Fake;

use crate::common::network::with_addresses;
use crate::common::{Run, TempFile, furnished, keyed, one, one_with, plain, stepzero, together};

const V4: &str = "169.254.169.254";
const V6: &str = "fd00:ec2::254";
const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";

/// Without the fake's variable, so that IMDS is where it is on EC2. An empty variable counts as unset.
fn real_address(fake: &Fake, timeout: &str, options: &[&str]) -> Run {
    stepzero(fake, one_with(timeout, options)).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
}

#[test]
fn the_instance_profile_of_a_host_that_has_only_ipv6() {
    // Under auto a mode is the user's word for one of the two, as with the SDKs; the instance profile may be asked at both.
    let rows = [("auto", &["", "IPv6", "ipv6"][..]), ("instance-profile", &["", "IPv4", "IPv6", "ipv6"])];
    for (builder, listen) in [(Fake::builder().tls(false), "[fd00:ec2::254]:80"), (Fake::builder(), "[::]:80")] {
        with_addresses("the_instance_profile_of_a_host_that_has_only_ipv6", &[V6], || {
            let fake = furnished(builder.imds_listen(listen));
            for (source, mode) in rows.iter().flat_map(|(source, modes)| modes.iter().map(move |mode| (source, mode))) {
                let by_variable = real_address(&fake, "20s", &[]).env("STEPZERO_CREDENTIALS", *source);
                for run in [by_variable, real_address(&fake, "20s", &["--credentials", source])] {
                    run.env(MODE, *mode).output().case(format_args!("{listen} {source} {mode:?}")).started();
                }
            }
        });
    }
}

/// The other way round: no variable keeps the instance profile from its IMDS.
#[test]
fn the_instance_profile_of_a_host_that_has_only_ipv4() {
    with_addresses("the_instance_profile_of_a_host_that_has_only_ipv4", &[V4], || {
        let fake = furnished(Fake::builder().tls(false).imds_listen("169.254.169.254:80"));
        let run = real_address(&fake, "20s", &["--credentials", "instance-profile"]).env(MODE, "IPv6");
        run.output().case("IPv4 alone").started();
    });
}

#[test]
fn an_imds_that_cannot_be_reached_is_not_blamed_on_the_hop_limit() {
    // With a network that leads nowhere near it, and with none at all.
    let networks: [(&[&str], &str); 2] = [(&["10.9.9.9"], ""), (&[], "us-east-1")];
    let cases = [("auto", 77, "60s", "IMDS cannot be reached"), ("instance-profile", 75, "3s", "cannot connect")];
    together(networks.len(), &networks, |(addresses, region)| {
        with_addresses("an_imds_that_cannot_be_reached", addresses, || {
            let fake = furnished(Fake::builder().tls(false).imds_listen("127.0.0.1:0"));
            // Threads that are started in here are in the same network.
            together(cases.len(), &cases, |(source, code, timeout, says)| {
                let run = real_address(&fake, timeout, &["--credentials", source]).env("AWS_REGION", *region);
                let ran = run.output().case(format_args!("{source} {addresses:?}"));
                ran.refused(*code, &[says, V4, V6, "unreachable"]).hides(&["hop limit"]);
            });
        });
    });
}

#[test]
fn a_mode_that_is_none_is_refused() {
    let fake = plain();
    for (source, mode) in
        [("auto", "dual"), ("instance-profile", "dual"), ("auto", "IPv5"), ("instance-profile", "IPv5")]
    {
        let by_flag = one_with("20s", &["--credentials", source]);
        for run in [
            keyed(&fake, &by_flag),
            keyed(&fake, one("20s")).env("STEPZERO_CREDENTIALS", source),
            stepzero(&fake, &by_flag).env("AWS_REGION", "us-east-1"),
        ] {
            let ran = run.env(MODE, mode).output().case(source);
            ran.refused(78, &[MODE, &format!("{mode:?}"), "IPv4 nor IPv6"]);
        }
    }
    for mode in ["v6", "both"] {
        let config = TempFile::config(format!("[default]\nec2_metadata_service_endpoint_mode = {mode}\n"));
        let run = keyed(&fake, one("20s")).env("AWS_CONFIG_FILE", config.arg());
        run.output().case(mode).refused(78, &["ec2_metadata_service_endpoint_mode", &format!("{mode:?}")]);
    }
    assert!(fake.log().is_empty(), "nothing was asked");
}
