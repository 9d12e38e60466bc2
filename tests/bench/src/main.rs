//! How long it takes to start a command with its secrets: stepzero, a client that does only what cannot be avoided, and
//! every peer that is found. `tests/bench/run` builds and starts this; a wrong option says what can be chosen.
//!
//! The tools take turns, run by run, because a machine that others use drifts; medians are compared within one case only.

#[path = "../../chart/mod.rs"]
mod chart;
mod fake;
mod process;
mod report;
mod request;
mod tool;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use fake::{Fake, Seen};
use process::Cost;
use tool::{Bench, FLOOR, TOOLS, Tool};

/// One piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub size: usize,
    /// Credentials from IMDS, or else from the environment.
    pub imds: bool,
    /// Milliseconds that each answer takes longer.
    pub delay: u64,
    /// Whether each connection takes as much longer.
    pub slow_connect: bool,
}

/// What a tool needed for a case: medians.
#[derive(Clone, Copy, Debug)]
pub struct Result_ {
    pub cost: Cost,
    pub seen: Seen,
    pub system_calls: Option<usize>,
}

/// The outcome of a tool in a case: figures, or why there are none.
pub type Outcome = Result<Result_, String>;

const USAGE: &str = "usage: bench --bin DIRECTORY [--runs N] [--sizes 3,10,…] [--delays 0,5,…] [--mode static|imds] \
[--no-connect-delay] [--only stepzero,…] [--stepzero PATH] [--markdown FILE] [--svg FILE]";

struct Options {
    bin: PathBuf,
    stepzero: Option<PathBuf>,
    runs: usize,
    sizes: Vec<usize>,
    delays: Vec<u64>,
    modes: Vec<bool>,
    slow_connect: bool,
    only: Option<Vec<String>>,
    markdown: Option<PathBuf>,
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Ok(options) => {
            run(&options);
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("bench: {what}\n{USAGE}");
            ExitCode::from(64)
        }
    }
}

fn run(options: &Options) {
    let directory = std::env::temp_dir().join(format!("stepzero-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("the temporary directory is writable");
    let tools = tools(options.only.as_deref());
    let mut bench = Bench {
        fake: Fake::start(&options.bin.join("fake-aws"), &directory, &options.sizes),
        stepzero: options.stepzero.clone().unwrap_or_else(|| options.bin.join("stepzero")),
        floor: options.bin.join("floor"),
        floor_connections: 1,
        directory: directory.clone(),
    };
    let mut results = Vec::new();
    for case in cases(options) {
        let outcomes = measure(&mut bench, &case, &tools, options.runs);
        print!("{}", report::table(&case, &outcomes));
        results.push((case, outcomes));
    }
    drop(bench);
    // What is left in the temporary directory hurts nobody.
    let _ = std::fs::remove_dir_all(directory);
    let written = |path: &Option<PathBuf>, text: String| {
        path.as_ref().map_or(Ok(()), |path| std::fs::write(path, text)).expect("the file can be written");
    };
    let tables: String = results.iter().map(|(case, outcomes)| report::table(case, outcomes)).collect();
    written(&options.svg, report::picture(&tables));
    written(&options.markdown, tables);
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        bin: PathBuf::new(),
        stepzero: None,
        runs: 21,
        sizes: vec![0, 3, 10, 100, 500],
        delays: vec![0, 5, 20, 100],
        modes: vec![false, true],
        slow_connect: true,
        only: None,
        markdown: None,
        svg: None,
    };
    fn list<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, String> {
        text.split(',').map(|part| part.parse().map_err(|_| format!("{part} is no number"))).collect()
    }
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--bin" => options.bin = value()?.into(),
            "--stepzero" => options.stepzero = Some(value()?.into()),
            "--runs" => options.runs = value()?.parse().map_err(|_| "a number of runs".to_owned())?,
            "--sizes" => options.sizes = list(&value()?)?,
            "--delays" => options.delays = list(&value()?)?,
            "--mode" => options.modes = vec![value()? == "imds"],
            "--no-connect-delay" => options.slow_connect = false,
            "--only" => options.only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--markdown" => options.markdown = Some(value()?.into()),
            "--svg" => options.svg = Some(value()?.into()),
            other => return Err(format!("{other} is no option")),
        }
    }
    Ok(options)
}

fn tools(only: Option<&[String]>) -> Vec<Tool> {
    let wanted = |tool: &&Tool| only.is_none_or(|only| only.iter().any(|name| name == tool.name));
    let (there, missing): (Vec<Tool>, Vec<Tool>) = TOOLS.iter().filter(wanted).partition(|tool| tool.is_there());
    for tool in missing {
        println!("SKIPPED {}: it is not there", tool.name);
    }
    there
}

fn cases(options: &Options) -> Vec<Case> {
    let mut cases = Vec::new();
    for &imds in &options.modes {
        for &delay in &options.delays {
            for slow_connect in [false, true] {
                // Without a delay there is nothing to slow the connection by.
                if slow_connect && (delay == 0 || !options.slow_connect) {
                    continue;
                }
                // Where nothing is fetched there is nothing that could be slow.
                let sizes = options.sizes.iter().filter(|&&size| size > 0 || (delay == 0 && !imds));
                cases.extend(sizes.map(|&size| Case { size, imds, delay, slow_connect }));
            }
        }
    }
    cases
}

/// All tools in turn, so often, and the medians.
fn measure(bench: &mut Bench, case: &Case, tools: &[Tool], runs: usize) -> Vec<(&'static str, Outcome)> {
    bench.fake.delay(case.delay, if case.slow_connect { case.delay } else { 0 });
    tool::prepare_floor(bench, case);
    let tools: Vec<Tool> = tools.iter().copied().filter(|tool| tool.command(bench, case).is_some()).collect();
    if tools.iter().any(|tool| tool.name == FLOOR) {
        bench.floor_connections = best_for_floor(bench, case);
    }
    let mut costs: BTreeMap<&str, Vec<Cost>> = BTreeMap::new();
    let mut failures: BTreeMap<&str, String> = BTreeMap::new();
    for round in 0..runs {
        for tool in &tools {
            if failures.contains_key(tool.name) || tool.slow && round >= runs.div_ceil(7) {
                continue;
            }
            let Some(mut command) = tool.command(bench, case) else { continue };
            match process::run(&mut command, &bench.directory) {
                Ok(cost) => costs.entry(tool.name).or_default().push(cost),
                Err(why) => drop(failures.insert(tool.name, why)),
            }
        }
    }
    let outcome = |tool: &Tool| match (failures.remove(tool.name), costs.remove(tool.name)) {
        (None, Some(costs)) => counted(bench, case, tool, median(&costs)),
        (why, _) => Err(why.unwrap_or_else(|| "it cannot do this".into())),
    };
    tools.iter().map(|tool| tool.name).zip(tools.iter().map(outcome).collect::<Vec<_>>()).collect()
}

/// One run more for what a run asks of the server, and one for what it asks of the kernel: traced, it is slower, and then
/// may do other things.
fn counted(bench: &Bench, case: &Case, tool: &Tool, cost: Cost) -> Outcome {
    bench.fake.clear();
    let before = bench.fake.accepted();
    if let Some(mut command) = tool.command(bench, case) {
        process::run(&mut command, &bench.directory)?;
    }
    let seen = bench.fake.seen(before);
    let command = tool.command(bench, case);
    let system_calls = command.and_then(|command| process::system_calls(&command, &bench.directory));
    Ok(Result_ { cost, seen, system_calls })
}

/// The floor client gets the number of connections with which it is fastest here.
fn best_for_floor(bench: &mut Bench, case: &Case) -> usize {
    let floor = TOOLS.iter().find(|tool| tool.name == FLOOR).expect("it is one of them");
    let calls = case.size.div_ceil(10);
    let mut best = (Duration::MAX, 1);
    for connections in [1, 2, 4, 8, 10, 17, 25, 50].into_iter().filter(|&count| count <= calls) {
        bench.floor_connections = connections;
        let runs = (0..5).filter_map(|_| process::run(&mut floor.command(bench, case)?, &bench.directory).ok());
        let costs: Vec<Cost> = runs.collect();
        if !costs.is_empty() {
            best = best.min((median(&costs).wall, connections));
        }
    }
    best.1
}

/// The median of each figure on its own.
fn median(costs: &[Cost]) -> Cost {
    fn of<T: Ord + Copy>(costs: &[Cost], figure: fn(&Cost) -> T) -> T {
        let mut figures: Vec<T> = costs.iter().map(figure).collect();
        figures.sort();
        figures[figures.len() / 2]
    }
    Cost {
        wall: of(costs, |cost| cost.wall),
        cpu: of(costs, |cost| cost.cpu),
        rss_kib: of(costs, |cost| cost.rss_kib),
        faults: of(costs, |cost| cost.faults),
    }
}
