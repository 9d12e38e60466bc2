//! The fake as a process: started by scripts and suites, driven through its control API.

use std::io::Write;
use std::process::ExitCode;

use fake_aws::{Config, raise_descriptor_limit};
use serde_json::json;

const USAGE: &str = "usage: fake-aws [--config FILE.json] [--listen ADDR:PORT] [--imds-listen ADDR:PORT]
                [--control ADDR:PORT] [--no-tls] [--ca-out PATH] [--san NAME]...";

#[derive(Default)]
struct Options {
    config: Option<String>,
    listen: Option<String>,
    imds_listen: Option<String>,
    control: Option<String>,
    no_tls: bool,
    ca_out: Option<String>,
    sans: Vec<String>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake-aws: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--config" => options.config = Some(value()?),
            "--listen" => options.listen = Some(value()?),
            "--imds-listen" => options.imds_listen = Some(value()?),
            "--control" => options.control = Some(value()?),
            "--ca-out" => options.ca_out = Some(value()?),
            "--san" => options.sans.push(value()?),
            "--no-tls" => options.no_tls = true,
            other => return Err(format!("{other} is no option")),
        }
    }
    Ok(options)
}

fn run(options: Options) -> Result<(), String> {
    raise_descriptor_limit();
    let config = match &options.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            Config::parse(&text).map_err(|error| format!("{path}: {error}"))?
        }
        None => Config::default(),
    };
    let mut builder = config.builder().tls(!options.no_tls);
    if let Some(address) = &options.listen {
        builder = builder.listen(address);
    }
    if let Some(address) = &options.imds_listen {
        builder = builder.imds_listen(address);
    }
    let fake = options.sans.iter().fold(builder, |builder, name| builder.san(name)).start();
    config.apply(&fake)?;
    let control_url = fake.control(options.control.as_deref().unwrap_or("127.0.0.1:0"));
    if let Some(path) = options.ca_out.as_ref().filter(|_| !options.no_tls) {
        std::fs::write(path, fake.ca_pem()).map_err(|error| format!("{path}: {error}"))?;
    }
    let ready = json!({
        "endpoint_url": fake.endpoint_url(),
        "imds_url": fake.imds_url(),
        "control_url": control_url,
        "container_url": fake.container_url(),
        "proxy_url": fake.proxy(),
        "ca": (!options.no_tls).then(|| fake.ca_path()),
        "env": fake.env().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}").and_then(|()| stdout.flush()).map_err(|error| format!("stdout: {error}"))?;
    drop(stdout);
    // Until SIGINT or SIGTERM; then the temporary files are removed with the fake.
    fake.wait_for_signal();
    Ok(())
}
