//! Plays one case: the client against its script.

use std::sync::Arc;
use std::time::Duration;

use balena_agent::secrecy::SecretString;
use balena_agent::{Balena, Environment, Retry};

use super::args::{Args, Failure, Outcome};
use super::cases::Case;
use super::logs::Logs;
use super::quirks::Expected;
use super::rulebook::Rulebook;
use super::script::{Frozen, Script, difference};
use super::{call, js, judge, later, loopback, outcomes, quirks, settings};

/// No recorded call takes any time; one that hangs has failed.
const LONGEST: Duration = Duration::from_secs(10);

/// What came of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    Failed(String),
    /// No call stands for the function.
    NoCall,
    /// Something that comes later, and what.
    Later(&'static str),
    /// It asks for other things under another version of the API, and why.
    NotTranslated(&'static str),
    /// It has no meaning here (rows that say "drop").
    Dropped,
}

/// Plays the case and holds it against what is promised of it.
pub(crate) async fn play(case: &Case, book: &Rulebook) -> Verdict {
    if let Some(reason) = later::reason(case) {
        return Verdict::Later(reason);
    }
    match quirks::expected(case, book) {
        Ok(Some(expected)) => play_as(case, &expected).await,
        Ok(None) => Verdict::Dropped,
        Err(why) => Verdict::Failed(why),
    }
}

/// Plays the case and holds it against this.
pub(crate) async fn play_as(case: &Case, expected: &Expected) -> Verdict {
    let script = Script::new(expected.exchange.clone());
    let (listener, address) = loopback::listen().await;
    let mut logs = Logs::new(&script);
    let played = async {
        let balena = match build(case, &script, &address.to_string()) {
            Ok(balena) => balena,
            Err(refused) => return Some(vec![(expected.outcome.clone(), Err(refused))]),
        };
        let mut outcomes = Vec::new();
        for before in &case.before {
            let args = Args { positional: before.args.clone(), named: before.kwargs.clone() };
            let outcome = make(&balena, &mut logs, case, &before.function, &args).await?;
            let promised = if case.of_js {
                js::recorded(&before.outcome, None)
            } else {
                outcomes::recorded(&before.outcome, None)
            };
            outcomes.push((promised, outcome));
        }
        let outcome = make(&balena, &mut logs, case, &case.function, &case.arguments()).await?;
        outcomes.push((expected.outcome.clone(), outcome));
        Some(outcomes)
    };
    let outcomes = tokio::select! {
        () = loopback::serve(&listener, &script) => unreachable!("it never ends"),
        outcomes = tokio::time::timeout(LONGEST, played) => outcomes,
    };
    let mut faults = script.faults();
    match outcomes {
        Err(_) => faults.push(format!("no outcome within {LONGEST:?}")),
        Ok(None) => return Verdict::NoCall,
        Ok(Some(outcomes)) => {
            faults.extend(outcomes.iter().filter_map(|(expected, found)| judge::outcome(expected, found)));
            faults.extend(logs.faults(case, expected).await);
        }
    }
    if case.sleeps != script.sleeps() {
        faults.push(format!("sleeps: expected {:?}, found {:?}", case.sleeps, script.sleeps()));
    }
    if let Some(after) = &case.after {
        faults.push(difference("after: nothing of it is compared", after, &serde_json::Value::Null));
    }
    if faults.is_empty() { Verdict::Passed } else { Verdict::Failed(faults.join("\n    ")) }
}

/// A call of the SDK that the case was recorded from.
async fn make(balena: &Balena, logs: &mut Logs, case: &Case, function: &str, args: &Args) -> Option<Outcome> {
    if let Some(outcome) = Box::pin(logs.call(balena, case, function, args)).await {
        return Some(outcome);
    }
    if case.of_js { js::call(balena, case, function, args).await } else { call(balena, function, args).await }
}

fn build(case: &Case, script: &Script, supervisor: &str) -> Result<Balena, Failure> {
    let in_a_file = || Failure::NoSuchType("settings in a file".into());
    let recorded = case.settings.as_ref().ok_or_else(in_a_file)?;
    let settings = if case.of_js { js::settings(recorded) } else { settings::settings(recorded) };
    let settings = settings.map_err(Failure::NoSuchType)?;
    let vars = case.env.iter().map(|(name, value)| match name.as_str() {
        "BALENA_SUPERVISOR_ADDRESS" => (name.clone(), moved(value, supervisor)),
        _ => (name.clone(), value.clone()),
    });
    let mut builder = Balena::builder()
        .environment(Environment::from_vars(vars)?)
        .settings(settings)
        .retry(Retry::never())
        .transport(Arc::new(script.clone()))
        .clock(Arc::new(Frozen(script.clone())));
    if let Some(token) = &case.token {
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
