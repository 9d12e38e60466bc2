//! IMDS has two fixed addresses, and a host can have one of them alone.

use super::*;

use crate::common::network::with_addresses;
use crate::common::{ARTICLE, offline};

const V6: &str = "fd00:ec2::254";

/// A run that finds IMDS where it is on EC2. The other places of the fake stay.
fn plain(fake: &Fake, args: &[&str]) -> Run {
    let elsewhere = fake.env().into_iter().filter(|(name, _)| !name.starts_with("AWS_EC2_METADATA"));
    offline(exec(args)).envs(elsewhere)
}

#[test]
fn a_host_with_the_ipv6_address_alone() {
    with_addresses("a_host_with_the_ipv6_address_alone", &[V6], || {
        let fake = Fake::builder().imds_listen("[::]:80").start();
        fake.put(ARTICLE[0].0, "SecureString", ARTICLE[0].1);
        // Under auto a mode is the user's word for one of the two; the instance profile may be asked at both.
        for (args, modes) in
            [(&[][..], &["", "ipv6"][..]), (&["--credentials", "instance-profile"], &["", "IPv4", "ipv6"])]
        {
            for mode in modes {
                let run = plain(&fake, args).env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", *mode);
                run.output().case(format_args!("{args:?} {mode}")).prints(VALUE);
            }
        }
    });
}

#[test]
fn a_host_with_neither_is_told_so() {
    with_addresses("a_host_with_neither_is_told_so", &[], || {
        let fake = Fake::start();
        let run = plain(&fake, &[]).env("AWS_REGION", "us-east-1");
        run.output().refused(77, &["IMDS cannot be reached", "169.254.169.254", V6]).hides(&["hop limit"]);
    });
}

#[test]
fn a_mode_that_is_none_is_refused() {
    let machine = Machine::new(article());
    for args in [&[][..], &["--credentials", "instance-profile"]] {
        let run =
            offline(exec(args)).env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv5");
        run.output().expect(78).says(&["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "\"IPv5\"", "IPv4 nor IPv6"]);
    }
    let config = TempFile::config("[default]\nregion = us-east-1\nec2_metadata_service_endpoint_mode = both\n");
    let run = offline(EXEC).env("AWS_CONFIG_FILE", config.arg());
    run.output().expect(78).says(&["ec2_metadata_service_endpoint_mode", "\"both\""]);
    drop(machine);
}
