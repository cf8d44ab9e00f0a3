//! Plays one case: the client against its script.

use std::sync::Arc;
use std::time::Duration;

use balena_agent::secrecy::SecretString;
use balena_agent::{Balena, Environment, RetryPolicy};
use serde_json::{Map, Value};

use super::args::{Args, Failure, Outcome};
use super::cases::Case;
use super::home::Home;
use super::logs::Logs;
use super::outcomes::Expect;
use super::quirks::Expected;
use super::rulebook::Rulebook;
use super::script::{Frozen, Script};
use super::{after, call, js, judge, loopback, outcomes, quirks, settings};

/// No recorded call takes any time; one that hangs has failed.
const LONGEST: Duration = Duration::from_secs(10);

/// What came of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    Failed(String),
    /// No call stands for the function.
    NoCall,
    /// It asks for other things under another version of the API, and why.
    NotTranslated(&'static str),
    /// It has no meaning here (rows that say "drop").
    Dropped,
}

/// Plays the case and holds it against what is promised of it.
pub(crate) async fn play(case: &Case, book: &Rulebook) -> Verdict {
    match quirks::expected(case, book) {
        Ok(Some(expected)) => play_as(case, &expected).await,
        Ok(None) => Verdict::Dropped,
        Err(why) => Verdict::Failed(why),
    }
}

/// Plays the case and holds it against this.
pub(crate) async fn play_as(case: &Case, expected: &Expected) -> Verdict {
    let script = Script::new(expected.exchange.clone());
    let home = Home::new(case);
    let (listener, address) = loopback::listen().await;
    let mut logs = Logs::new(&script);
    let supervisor = address.to_string();
    let played = run(case, expected, &script, &home, &supervisor, &mut logs);
    let outcomes = tokio::select! {
        () = loopback::serve(&listener, &script) => unreachable!("it never ends"),
        outcomes = tokio::time::timeout(LONGEST, played) => outcomes,
    };
    let mut faults = script.faults();
    match outcomes {
        Err(_) => faults.push(format!("no outcome within {LONGEST:?}")),
        Ok(None) => return Verdict::NoCall,
        Ok(Some((outcomes, balena))) => {
            faults.extend(outcomes.iter().filter_map(|(expected, found)| judge::outcome(expected, found)));
            faults.extend(logs.faults(case, expected).await);
            if let Some(balena) = balena {
                faults.extend(after::differences(case, expected, &balena, &home));
            }
        }
    }
    if case.sleeps != script.sleeps() {
        faults.push(format!("sleeps: expected {:?}, found {:?}", case.sleeps, script.sleeps()));
    }
    if faults.is_empty() { Verdict::Passed } else { Verdict::Failed(faults.join("\n    ")) }
}

type Outcomes = Vec<(Expect, Outcome)>;

/// The calls of the case, and the client as it is after them; `None` if no call stands for one of them.
async fn run(
    case: &Case,
    expected: &Expected,
    script: &Script,
    home: &Home,
    supervisor: &str,
    logs: &mut Logs,
) -> Option<(Outcomes, Option<Balena>)> {
    let anew = |token: Option<&String>| build(case, script, home, supervisor, token);
    // Constructing is the call.
    let constructs = case.function == "Balena";
    let mut balena = match anew(case.token.as_ref().filter(|_| !constructs)) {
        Ok(balena) => balena,
        Err(refused) => return Some((vec![(expected.outcome.clone(), Err(refused))], None)),
    };
    let mut outcomes = Vec::new();
    for before in &case.before {
        if before.function == "@new" {
            balena = anew(None).unwrap_or_else(|failure| panic!("a second one: {failure:?}"));
            continue;
        }
        let args = Args { positional: before.args.clone(), named: before.kwargs.clone() };
        let outcome = make(&balena, logs, case, &before.function, &args).await?;
        let promised = if case.of_js {
            js::recorded(&before.outcome, None)
        } else {
            outcomes::recorded(&before.outcome, None)
        };
        outcomes.push((promised, outcome));
    }
    let outcome = if constructs {
        Ok(Value::Null)
    } else {
        let made = make(&balena, logs, case, &case.function, &case.arguments()).await?;
        // Settings tell where they are kept.
        if case.function.starts_with("settings.") { made.map(|value| home.recorded(&value)) } else { made }
    };
    outcomes.push((expected.outcome.clone(), outcome));
    Some((outcomes, Some(balena)))
}

/// A call of the SDK that the case was recorded from.
async fn make(balena: &Balena, logs: &mut Logs, case: &Case, function: &str, args: &Args) -> Option<Outcome> {
    if let Some(outcome) = Box::pin(logs.call(balena, case, function, args)).await {
        return Some(outcome);
    }
    if case.of_js { js::call(balena, case, function, args).await } else { call(balena, function, args).await }
}

fn build(
    case: &Case,
    script: &Script,
    home: &Home,
    supervisor: &str,
    token: Option<&String>,
) -> Result<Balena, Failure> {
    let none = Map::new();
    let given = if case.function == "Balena" { case.args.first().and_then(Value::as_object) } else { None };
    let recorded = given.or(case.settings.as_ref()).unwrap_or(&none);
    let settings = if case.of_js { js::settings(recorded) } else { settings::settings(recorded) };
    let settings = settings.map_err(Failure::NoSuchType)?;
    let vars = case.env.iter().map(|(name, value)| match name.as_str() {
        "BALENA_SUPERVISOR_ADDRESS" => (name.clone(), moved(value, supervisor)),
        _ => (name.clone(), home.here(value)),
    });
    let own = [("HOME".to_owned(), home.path().to_string_lossy().into_owned())];
    let mut builder = Balena::builder()
        .environment(Environment::from_vars(vars.chain(own))?)
        .settings(settings)
        .retry(RetryPolicy::never())
        .transport(Arc::new(script.clone()))
        .clock(Arc::new(Frozen(script.clone())));
    builder = match recorded.get("data_directory") {
        // Of a JS case they are always in memory.
        _ if case.of_js => builder,
        Some(Value::Bool(false)) => builder,
        Some(Value::String(directory)) => builder.data_directory(home.here(directory)),
        _ => builder.default_data_directory(),
    };
    if let Some(token) = token {
        builder = builder.token(SecretString::from(token.clone()));
    }
    Ok(builder.try_build()?)
}

/// The address with another host and port.
fn moved(address: &str, authority: &str) -> String {
    let rest = address.strip_prefix("http://").unwrap_or(address);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    format!("http://{authority}{path}")
}
