//! The family `billing`.

use balena_agent::Balena;
use balena_agent::api::billing::{
    AccountUpdate, BillingAddress, BillingCycle, BillingInfo, BillingToken, PlanChange, TaxId,
};
use balena_agent::secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::patterns;
use crate::wire::args::{Args, Failure, Outcome, unit};
use crate::wire::cases::Case;
use crate::wire::outcomes::Expect;
use crate::wire::quirks::Expected;
use crate::wire::rulebook::Rulebook;
use crate::wire::typed::fits;

type Found = Result<Option<Value>, Failure>;

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let function = function.strip_prefix("models.billing.")?;
    bills(balena, function, args).await.transpose()
}

async fn bills(balena: &Balena, function: &str, args: &Args) -> Found {
    let billing = balena.billing();
    let key = || args.organization(0, "organization");
    let fields = || args.get(1, "").and_then(Value::as_object).ok_or_else(|| odd("", args.get(1, "")));
    Ok(Some(match function {
        "createSetupIntent" => {
            let given = args.get(0, "").and_then(Value::as_object).ok_or_else(|| odd("", args.get(0, "")))?;
            let mut given = Args { positional: Vec::new(), named: given.clone() };
            let mut create = billing.create_setup_intent(given.organization(usize::MAX, "organization")?);
            given.named.remove("organization");
            if let Some(response) = given.named.remove("g-recaptcha-response") {
                create = create.recaptcha(text("g-recaptcha-response", &response)?);
            }
            for (name, value) in given.named {
                create = create.parameter(name, value);
            }
            let intent = create.await?;
            json!({ "id": intent.id, "client_secret": intent.client_secret.expose_secret() })
        }
        "removeBillingInfo" => unit(billing.remove_billing_info(key()?).await)?,
        "getBillingInfo" => {
            let info = billing.get_billing_info(key()?).decode::<Value>().await?;
            fits::<Option<BillingInfo>>(&info);
            info
        }
        "updateBillingInfo" => {
            let info = billing.update_billing_info(key()?, token(fields()?)?).decode::<Value>().await?;
            fits::<BillingInfo>(&info);
            info
        }
        "updateAccountInfo" => {
            unit(billing.update_account_info(key()?, account(fields()?)?).await.map(drop))?
        }
        "changePlan" => unit(billing.change_plan(key()?, plan(fields()?)?).await.map(drop))?,
        _ => return Ok(None),
    }))
}

fn odd(name: &str, value: Option<&Value>) -> Failure {
    Failure::NoSuchType(format!("{name}: {value:?}"))
}

fn text(name: &str, value: &Value) -> Result<String, Failure> {
    value.as_str().map(str::to_owned).ok_or_else(|| odd(name, Some(value)))
}

fn typed<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, Failure> {
    serde_json::from_value(value.clone()).map_err(|_| odd(name, Some(value)))
}

fn token(fields: &Map<String, Value>) -> Result<BillingToken, Failure> {
    let id = fields.get("token_id").ok_or_else(|| odd("token_id", None))?;
    let mut token = BillingToken::new(text("token_id", id)?);
    for (name, value) in fields {
        token = match name.as_str() {
            "token_id" => token,
            "g-recaptcha-response" => token.recaptcha(text(name, value)?),
            "token_type" => token.token_type(text(name, value)?),
            "setAsCompanyAddress" if value == true => token.set_as_company_address(),
            _ => return Err(odd(name, Some(value))),
        };
    }
    Ok(token)
}

fn account(fields: &Map<String, Value>) -> Result<AccountUpdate, Failure> {
    let mut update = AccountUpdate::new();
    for (name, value) in fields {
        update = match name.as_str() {
            "email" => update.email(text(name, value)?),
            "cc_emails" => update.cc_emails(text(name, value)?),
            "company_name" => update.company_name(text(name, value)?),
            "address" => update.address(&typed::<BillingAddress>(name, value)?),
            "tax_id" if value.is_null() => update.no_tax_id(),
            "tax_id" => update.tax_id(&typed::<TaxId>(name, value)?),
            _ => return Err(odd(name, Some(value))),
        };
    }
    Ok(update)
}

fn plan(fields: &Map<String, Value>) -> Result<PlanChange, Failure> {
    let field = |name: &str| fields.get(name).ok_or_else(|| odd(name, None));
    let cycle = BillingCycle::from(&*text("cycle", field("cycle")?)?);
    let mut plan = PlanChange::new(text("tier", field("tier")?)?, cycle);
    if let Some(reason) = fields.get("planChangeReason") {
        plan = plan.reason(text("planChangeReason", reason)?);
    }
    Ok(plan)
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    if case.args.iter().take(2).any(patterns::names_nothing) {
        patterns::refused(expected);
    }
    // What the server says of what is gone is nobody's information.
    if case.function == "models.billing.removeBillingInfo" && matches!(expected.outcome, Expect::Value(_)) {
        expected.outcome = Expect::Value(Value::Null);
    }
    case.quirks.first().map_or(Ok(()), |row| Err(format!("no expectation for row {row}")))
}
