//! What the Python SDK was recorded to send to the supervisor of its own device, replayed with ours:
//! the same requests, the same outcomes.
//!
//! The recordings name addresses of a device (`127.0.0.1:48484`, `10.114.102.1:48484`). Each case gets a
//! scripted server, and in its `BALENA_SUPERVISOR_ADDRESS` that server's `host:port` replaces the recorded
//! one; scheme and path stay as recorded, and that the recorded request went to the recorded `host:port` is
//! checked.

#[cfg(test)]
#[path = "support/scripted.rs"]
mod scripted;

#[cfg(test)]
mod replay {
    use std::collections::{BTreeMap, BTreeSet};

    use balena_agent::supervisor::{ServiceSelector, UpdateTrigger};
    use balena_agent::{Balena, DeviceTarget, Environment, Error, ErrorKind, Local};
    use serde::Deserialize;
    use serde_json::{Value, json};

    use crate::scripted::{Request, Scripted, Turn};

    const CASES: &str = include_str!("cases/on_device.jsonl");
    /// All cases of the recording that the supervisor of the own device answers, or would.
    const COUNT: usize = 80;

    /// Rows of `DECISIONS.md` that judge a case differently from its recording.
    const QUIRKS: &[(&str, Decision)] = &[
        // 423 never became "locked" in Python: it is.
        ("Q05", Decision::Kind(ErrorKind::Locked)),
        // `BALENA_APP_ID` is needed only where the application is named: what was refused is sent.
        ("Q52", Decision::Sent("GET", "/ping")),
    ];

    #[derive(Clone, Copy)]
    enum Decision {
        Kind(ErrorKind),
        Sent(&'static str, &'static str),
    }

    #[derive(Deserialize)]
    struct Case {
        id: String,
        function: String,
        args: Vec<Value>,
        kwargs: BTreeMap<String, Value>,
        env: BTreeMap<String, String>,
        exchange: Vec<Exchange>,
        outcome: Value,
        #[serde(default)]
        quirks: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Exchange {
        request: Recorded,
        response: Response,
    }

    #[derive(Deserialize)]
    struct Recorded {
        host: String,
        authority: String,
        method: String,
        raw_path: String,
        query: Vec<(String, String)>,
        auth: Option<Value>,
        content_type: Option<String>,
        /// Absent is no body, which is not `{}` and not `null`.
        #[serde(default, deserialize_with = "present")]
        json: Option<Value>,
    }

    fn present<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(input).map(Some)
    }

    #[derive(Deserialize)]
    struct Response {
        status: u16,
        json: Option<Value>,
        text: Option<String>,
        #[serde(default)]
        abort: bool,
    }

    impl Response {
        fn turn(&self) -> Turn {
            match (&self.json, &self.text) {
                _ if self.abort => Turn::close(),
                (Some(json), _) => Turn::json(self.status, json),
                (None, Some(text)) => Turn::answer(self.status, Some("text/plain; charset=utf-8"), text),
                (None, None) => Turn::answer(self.status, None, ""),
            }
        }
    }

    #[tokio::test]
    async fn every_recorded_case_holds() {
        let cases: Vec<Case> =
            CASES.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
        let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!((cases.len(), ids.len()), (COUNT, COUNT), "the file is not whole");
        let mut failures = Vec::new();
        for case in &cases {
            if let Err(why) = Box::pin(replay(case)).await {
                failures.push(format!("{}: {why}", case.id));
            }
        }
        println!("{} passed, {} failed", COUNT - failures.len(), failures.len());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    async fn replay(case: &Case) -> Result<(), String> {
        let decision = match case.quirks.as_slice() {
            [] => None,
            [quirk] => {
                let row = QUIRKS.iter().find(|(name, _)| name == quirk);
                Some(row.ok_or_else(|| format!("no row for {quirk}"))?.1)
            }
            more => return Err(format!("several rows: {more:?}")),
        };
        let answer = match decision {
            Some(Decision::Sent(..)) => Turn::text(200, "OK"),
            _ => case.exchange.first().map_or_else(Turn::close, |exchange| exchange.response.turn()),
        };
        let server = Scripted::new([answer]);
        let result = call(case, &server).await?;
        let requests = server.requests();
        match (case.exchange.as_slice(), decision) {
            ([], Some(Decision::Sent(method, path))) => match requests.as_slice() {
                [one] if one.method == method && one.path() == path => {}
                other => return Err(format!("expected {method} {path}, got {other:?}")),
            },
            ([], _) if server.connections() > 0 => return Err("it connected, yet nothing is sent".into()),
            ([], _) => {}
            ([exchange], _) => compare(&exchange.request, case, &requests, &server)?,
            _ => return Err("more than one exchange".into()),
        }
        match (decision, &case.outcome["error"]) {
            (Some(Decision::Kind(kind)), _) => refusal(&result, kind, case),
            (Some(Decision::Sent(..)), _) => result.map(drop).map_err(|error| format!("{error:?}")),
            (None, Value::Null) => match result {
                Ok(value) if value == normal(&case.outcome["ok"]) => Ok(()),
                other => Err(format!("expected {}, got {other:?}", case.outcome["ok"])),
            },
            (None, error) => refusal(&result, kind(error)?, case),
        }
    }

    /// `DECISIONS.md`, "Outcomes" and Q01: what each recorded exception is here.
    fn kind(error: &Value) -> Result<ErrorKind, String> {
        Ok(match (error["class"].as_str().unwrap_or_default(), error["status"].as_u64()) {
            ("LocalSupervisorNotFound", None) => ErrorKind::Config,
            ("requests.exceptions.ConnectionError", None) => ErrorKind::Unreachable,
            ("RequestError", Some(500..)) => ErrorKind::Server,
            other => return Err(format!("no row for {other:?}")),
        })
    }

    fn refusal(result: &Result<Value, Error>, kind: ErrorKind, case: &Case) -> Result<(), String> {
        let Err(error) = result else { return Err(format!("expected {kind}, got {result:?}")) };
        if error.kind() != kind {
            return Err(format!("expected {kind}, got {error:?}"));
        }
        let Some(response) = case.exchange.first().map(|exchange| &exchange.response) else {
            return if error.was_sent() || error.attempts() > 0 { Err(format!("{error:?}")) } else { Ok(()) };
        };
        let (status, body) = match &response.json {
            _ if response.abort => (None, None),
            Some(json) => (Some(response.status), Some(json.to_string())),
            None => (Some(response.status), response.text.clone()),
        };
        if error.status() == status && error.body() == body.as_deref() && error.was_sent() {
            Ok(())
        } else {
            Err(format!("expected {status:?} {body:?}, got {error:?}"))
        }
    }

    fn compare(
        recorded: &Recorded,
        case: &Case,
        requests: &[Request],
        server: &Scripted,
    ) -> Result<(), String> {
        let [request] = requests else { return Err(format!("expected one request, got {requests:?}")) };
        let body = (!request.body.is_empty()).then(|| serde_json::from_slice(&request.body).expect("JSON"));
        let was_for = case.env["BALENA_SUPERVISOR_ADDRESS"].split('/').nth(2);
        let host = server.url().replace("http://", "");
        let expect = |what: &str, good: bool| {
            if good { Ok(()) } else { Err(format!("{what} differs: {request:?}, body {body:?}")) }
        };
        expect("the recorded host", recorded.host == "supervisor")?;
        expect("the recorded address", was_for == Some(recorded.authority.as_str()))?;
        expect("the host", request.header("host") == Some(host.as_str()))?;
        expect("the method", request.method == recorded.method)?;
        expect("the path", request.path() == recorded.raw_path)?;
        expect("the query", request.query() == recorded.query)?;
        expect("the body", body == recorded.json)?;
        expect("the content type", request.header("content-type") == recorded.content_type.as_deref())?;
        expect("auth", recorded.auth.is_none() && request.header("authorization").is_none())
    }

    /// The typed state holds the port as the number that the text is.
    fn normal(value: &Value) -> Value {
        let mut value = value.clone();
        if let Some(port) = value["api_port"].as_str() {
            value["api_port"] = json!(port.parse::<u16>().expect("a port"));
        }
        // Absent and null are one in the typed state.
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|_, field| !field.is_null());
        }
        value
    }

    /// Makes the recorded call. What can't be made of the recorded arguments is a failure, never skipped.
    async fn call(case: &Case, server: &Scripted) -> Result<Result<Value, Error>, String> {
        let env = case.env.iter().map(|(name, value)| {
            let value = match name.as_str() {
                "BALENA_SUPERVISOR_ADDRESS" => {
                    let (_, authority) = value.split_once("://").expect("an address");
                    let path = authority.split_once('/').map(|(_, path)| format!("/{path}"));
                    server.url() + path.as_deref().unwrap_or_default()
                }
                _ => value.clone(),
            };
            (name.clone(), value)
        });
        let env = Environment::from_vars(env).map_err(|error| error.to_string())?;
        let device = Balena::builder().environment(env).build().device();
        let mut args = case.args.iter();
        let target = || -> Result<DeviceTarget, String> {
            Ok(match case.args.first() {
                None | Some(Value::Null) => Local.into(),
                Some(Value::String(uuid)) => uuid.as_str().into(),
                Some(Value::Number(id)) if id.is_i64() => id.as_i64().expect("an id").into(),
                other => return Err(format!("no target: {other:?}")),
            })
        };
        let on = target()?;
        let second = args.nth(1);
        if args.next().is_some() || !case.kwargs.is_empty() {
            return Err("arguments that are not understood".into());
        }
        let unit = |result: Result<(), Error>| result.map(|()| Value::Null);
        Ok(match (case.function.trim_start_matches("models.device."), second) {
            ("ping", None) => unit(device.ping(on).await),
            ("identify", None) => unit(device.identify(on).await),
            ("restart_application", None) => unit(device.restart_application(on).await),
            ("reboot", None) => unit(device.reboot(on).await),
            ("shutdown", None) => unit(device.shutdown(on).await),
            ("shutdown", Some(Value::Bool(true))) => unit(device.shutdown(on).force().await),
            ("purge", None) => unit(device.purge(on).await),
            ("update", None) => started(device.update(on).await),
            ("update", Some(Value::Bool(true))) => started(device.update(on).force().await),
            ("get_supervisor_state", None) => {
                device.get_supervisor_state(on).await.map(|state| serde_json::to_value(state).expect("JSON"))
            }
            (name @ ("start_service" | "stop_service" | "restart_service"), Some(Value::Number(image))) => {
                let service = ServiceSelector::from(image.as_i64().expect("an id"));
                unit(match name {
                    "start_service" => device.start_service(on, service).await,
                    "stop_service" => device.stop_service(on, service).await,
                    _ => device.restart_service(on, service).await,
                })
            }
            other => return Err(format!("no call for {other:?}")),
        })
    }

    fn started(result: Result<UpdateTrigger, Error>) -> Result<Value, Error> {
        result
            .map(|trigger| if trigger == UpdateTrigger::Started { Value::Null } else { json!("not started") })
    }
}
