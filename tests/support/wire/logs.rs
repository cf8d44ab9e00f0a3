//! Logs: the calls, what their streams tell, and the rows about them.
//!
//! A subscription of the SDK is a stream of ours. It is read where the case waits for callbacks, and at its end;
//! to unsubscribe is to drop it. `tests/cases/wire/FORMAT.md`, `events`.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use balena_agent::logs::{History, Subscribe};
use balena_agent::{AllLines, Balena, DeviceKey, DeviceTarget, ErrorKind, LogEvent, LogLine, LogStream};
use futures_util::Stream as _;
use serde_json::{Map, Value, json};

use super::args::{Args, Failure, Outcome};
use super::cases::{Case, Exchange};
use super::judge;
use super::outcomes::{self, Expect};
use super::quirks::{Expected, Row, Row::Change, Row::Drop, error};
use super::script::Script;
use super::typed::fits;

/// The rows about logs.
pub(super) const ROWS: [(&str, Row); 6] = [
    ("Q90", Change(|_, _, expected| refused(expected))),
    // Told by the stream itself: [`promised`].
    ("Q91", Row::Copy),
    ("Q92", Change(|_, _, expected| not_logged_in(expected))),
    ("Q93", Change(|_, _, expected| none_is_a_number(expected))),
    ("Q94", Drop),
    ("Q95", Row::Copy),
];

fn is_log(exchange: &Exchange) -> bool {
    exchange.request.path.starts_with("/device/") && exchange.request.path.ends_with("/logs")
}

/// Q90: the status of the answer counts; what keeps a log from being opened is the first item of the stream, and the
/// outcome here. The end of a stream ends ours, with an error where the connection broke.
pub(super) fn refused(expected: &mut Expected) {
    let Some(last) = expected.exchange.last().filter(|last| is_log(last)) else { return };
    if last.response.abort {
        expected.outcome = error(outcomes::broken(Some(last)));
    } else if last.response.status >= 400 {
        expected.outcome = outcomes::refused(last);
    }
}

/// Q92: refused before anything is asked for with a user's rights.
fn not_logged_in(expected: &mut Expected) {
    expected.exchange.retain(|exchange| !is_log(exchange));
    expected.outcome = error(ErrorKind::Unauthorized);
}

/// Q93: no lines from before is a number of lines.
fn none_is_a_number(expected: &mut Expected) {
    for exchange in expected.exchange.iter_mut().filter(|exchange| is_log(exchange)) {
        exchange.request.query.push(("count".into(), "0".into()));
    }
}

/// A subscription, and by which names the case calls what comes of it.
struct Subscribed {
    log: LogStream,
    /// What came when it was opened.
    first: Option<balena_agent::Result<LogEvent>>,
    line: String,
    error: Option<String>,
}

/// The subscriptions of a case, and what they told.
pub(crate) struct Logs {
    script: Script,
    subscribed: Vec<Subscribed>,
    events: Vec<Value>,
}

impl Logs {
    pub(crate) fn new(script: &Script) -> Self {
        Self { script: script.clone(), subscribed: Vec::new(), events: Vec::new() }
    }

    /// Makes the call; `None` if it is not about logs.
    pub(crate) async fn call(
        &mut self,
        balena: &Balena,
        case: &Case,
        function: &str,
        args: &Args,
    ) -> Option<Outcome> {
        Some(match function {
            "@wait" => match args.number(0, "n") {
                Ok(lines) => self.wait(lines).await,
                Err(failure) => Err(failure),
            },
            "logs.history" => history(balena, args).await,
            "logs.subscribe" => match self.subscribe(balena, case, args).await {
                Ok(()) => Ok(Value::Null),
                Err(failure) => Err(failure),
            },
            "logs.unsubscribe" => self.unsubscribe(balena, args).await,
            "logs.unsubscribe_all" | "logs.stop" => {
                self.subscribed.clear();
                Ok(Value::Null)
            }
            _ => return None,
        })
    }

    async fn subscribe(&mut self, balena: &Balena, case: &Case, args: &Args) -> Result<(), Failure> {
        let device: DeviceKey = args.device(0, "uuid_or_id")?;
        let request = balena.logs().subscribe(DeviceTarget::from(device));
        // JS has the options in the place of the callback, and events instead of callbacks. It keeps it to itself
        // when a line can't be read, unless told to debug.
        let debug =
            case.settings.as_ref().is_some_and(|settings| settings.get("debug") == Some(&json!(true)));
        let (line, error) = if case.of_js {
            ("line".to_owned(), debug.then(|| "error".to_owned()))
        } else {
            (callback(args.some(1, "callback")).unwrap_or_default(), callback(args.some(2, "error")))
        };
        let count = if case.of_js { args.some(1, "options") } else { args.some(3, "count") };
        let mut log = with(request, count)?.await?;
        let first = poll_fn(|cx| match Pin::new(&mut log).poll_next(cx) {
            Poll::Ready(first) => Poll::Ready(first),
            Poll::Pending => Poll::Ready(None),
        });
        let first = match first.await {
            Some(Err(error)) => return Err(error.into()),
            first => first,
        };
        self.subscribed.push(Subscribed { log, first, line, error });
        Ok(())
    }

    /// By id as well: the SDK asks for the uuid, and so does who has only the streams.
    async fn unsubscribe(&mut self, balena: &Balena, args: &Args) -> Outcome {
        let device: DeviceKey = args.device(0, "uuid_or_id")?;
        let row: Value = balena.device().get(device).select(["uuid"]).rows().await?;
        self.subscribed.retain(|subscribed| row["uuid"] != *subscribed.log.device());
        Ok(Value::Null)
    }

    /// Reads until there are so many lines.
    async fn wait(&mut self, lines: i64) -> Outcome {
        self.read().await;
        let told = self.events.iter().filter(|event| event["value"].is_object()).count();
        assert!(i64::try_from(told).is_ok_and(|told| told >= lines), "{told} lines, not {lines}");
        Ok(json!(lines))
    }

    /// Reads all that comes until the server holds still.
    async fn read(&mut self) {
        poll_fn(|cx| {
            for Subscribed { log, first, line, error } in &mut self.subscribed {
                let mut next = |log: &mut LogStream| match first.take() {
                    Some(first) => Poll::Ready(Some(first)),
                    None => Pin::new(log).poll_next(cx),
                };
                while let Poll::Ready(Some(event)) = next(log) {
                    let (callback, value) = match event {
                        Ok(LogEvent::Line(found)) => (Some(&*line), written(&found)),
                        Ok(LogEvent::Skipped(error_)) | Err(error_) => {
                            (error.as_ref(), json!(error_.kind().to_string()))
                        }
                        Ok(other) => panic!("{other:?}"),
                    };
                    let event = callback.map(|callback| json!({ "callback": callback, "value": value }));
                    self.events.extend(event);
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// What is wrong with what was told, and with what was closed. The SDK's `stop` ends a case that subscribes.
    pub(crate) async fn faults(mut self, case: &Case, expected: &Expected) -> Vec<String> {
        if !case.function.starts_with("logs.") {
            return Vec::new();
        }
        if case.function == "logs.subscribe" {
            self.read().await;
            self.subscribed.clear();
        }
        let (events, closed) = promised(case, expected);
        let mut faults = Vec::new();
        let differ = judge::unequal(&Value::Array(events), &Value::Array(self.events), "");
        faults.extend(differ.map(|place| format!("events: {place}")));
        if closed != self.script.closed() {
            faults.push(format!("closed streams: expected {closed:?}, found {:?}", self.script.closed()));
        }
        faults
    }
}

/// The line as JSON; the row type has to be able to read that.
fn written(line: &LogLine) -> Value {
    let value = serde_json::to_value(line).expect("a line is JSON");
    fits::<LogLine>(&value);
    value
}

fn callback(argument: Option<&Value>) -> Option<String> {
    Some(argument?["$callback"].as_str()?.to_owned())
}

async fn history(balena: &Balena, args: &Args) -> Outcome {
    let device: DeviceKey = args.device(0, "uuid_or_id")?;
    let lines = with(balena.logs().history(device), args.some(1, "count"))?.await?;
    Ok(Value::Array(lines.iter().map(written).collect()))
}

/// What can be told how many lines are wanted.
trait Wanting: Sized {
    fn count_of(self, count: u32) -> Self;
    fn all(self) -> Self;
    fn from(self, time: balena_agent::logs::LogStart) -> Self;
}

macro_rules! wanting {
    ($($name:ident)*) => {$(
        impl Wanting for $name {
            fn count_of(self, count: u32) -> Self {
                self.count(count)
            }

            fn all(self) -> Self {
                self.count(AllLines)
            }

            fn from(self, time: balena_agent::logs::LogStart) -> Self {
                self.start(time)
            }
        }
    )*};
}

wanting!(History Subscribe);

/// A number, `"all"`, or options of JS with these.
fn with<R: Wanting>(request: R, count: Option<&Value>) -> Result<R, Failure> {
    let none = || Failure::NoSuchType(format!("count: {count:?}"));
    match count {
        None => Ok(request),
        Some(Value::String(all)) if all == "all" => Ok(request.all()),
        Some(Value::Number(count)) => {
            let count = count.as_u64().and_then(|count| u32::try_from(count).ok());
            Ok(request.count_of(count.ok_or_else(none)?))
        }
        Some(Value::Object(options)) => in_options(request, options),
        Some(_) => Err(none()),
    }
}

fn in_options<R: Wanting>(request: R, options: &Map<String, Value>) -> Result<R, Failure> {
    let request = with(request, options.get("count").filter(|count| !count.is_null()))?;
    Ok(match options.get("start") {
        None | Some(Value::Null) => request,
        Some(Value::String(time)) => request.from(time.as_str().into()),
        Some(time) => {
            let time = time.as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            request.from(time.ok_or_else(|| Failure::NoSuchType(format!("start: {options:?}")))?.into())
        }
    })
}

/// What a case tells, and which streams the client closes: as recorded, but for a subscription that fails (nothing)
/// and for the rows about lines that are none (Q91, Q95), which the stream itself decides.
fn promised(case: &Case, expected: &Expected) -> (Vec<Value>, Vec<bool>) {
    let closed = case.client_closed_stream.clone().unwrap_or_default();
    if case.function == "logs.subscribe" && !matches!(expected.outcome, Expect::Value(_)) {
        return (Vec::new(), Vec::new());
    }
    let recorded = case.events.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    if !case.has("Q91") && !case.has("Q95") {
        return (recorded.into_iter().map(kind_of_error).collect(), closed);
    }
    let args = case.arguments();
    let (line, error) = (callback(args.some(1, "callback")), callback(args.some(2, "error")));
    let text: String = case
        .exchange
        .iter()
        .filter(|exchange| is_log(exchange))
        .flat_map(|exchange| exchange.response.stream.clone())
        .collect();
    let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", &text));
    // A rest is a line once the stream has ended; one that is held has not.
    let held = case.exchange.last().is_some_and(|last| last.response.hold > 0.0);
    let lines = whole.split('\n').chain((!held).then_some(rest));
    let event = |text: &str| {
        let (callback, value) = match serde_json::from_str::<Value>(text) {
            Ok(value) if value.is_object() => (&line, value),
            _ => (&error, json!(ErrorKind::Decode.to_string())),
        };
        callback.as_ref().map(|callback| json!({ "callback": callback, "value": value }))
    };
    (lines.filter(|text| !text.trim().is_empty()).filter_map(event).collect(), closed)
}

/// Of an error only its kind is promised: here always that a line can't be read.
fn kind_of_error(mut event: Value) -> Value {
    if event["value"].get("class").is_some() {
        let class = event["value"]["class"].as_str().unwrap_or_default();
        assert!(matches!(class, "JSONDecodeError" | "Error"), "an error of another kind: {event}");
        event["value"] = json!(ErrorKind::Decode.to_string());
    }
    event
}
