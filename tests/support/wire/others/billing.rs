//! Billing and credit bundles.

use balena_agent::Balena;
use balena_agent::api::billing::{
    AccountUpdate, BillingAccount, BillingCycle, BillingInfo, BillingPlan, BillingToken, Invoice, PlanChange,
};
use serde_json::{Map, Value, json};

use super::{fits, many};
use crate::wire::args::{self, Args, Failure, Outcome};

type Found = Result<Option<Value>, Failure>;

pub(super) async fn billing(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    bills(balena, function, args).await.transpose()
}

async fn bills(balena: &Balena, function: &str, args: &Args) -> Found {
    let billing = balena.billing();
    let key = args.organization(0, "organization")?;
    let answer = match function {
        "get_account" => billing.get_account(key).decode::<Value>().await.inspect(fits::<BillingAccount>),
        "get_plan" => billing.get_plan(key).decode::<Value>().await.inspect(fits::<BillingPlan>),
        "get_billing_info" => {
            billing.get_billing_info(key).decode::<Value>().await.inspect(fits::<BillingInfo>)
        }
        "get_invoices" => billing.get_invoices(key).decode::<Value>().await.inspect(fits::<Vec<Invoice>>),
        "update_billing_info" => {
            let info = fields(args, "billing_info")?;
            let mut token = BillingToken::new(text(info, "token_id")?);
            if info.contains_key("g-recaptcha-response") {
                token = token.recaptcha(text(info, "g-recaptcha-response")?);
            }
            billing.update_billing_info(key, token).decode::<Value>().await
        }
        "update_account_info" => {
            let email = text(fields(args, "account_info")?, "email")?;
            billing.update_account_info(key, AccountUpdate::new().email(email)).await
        }
        "change_plan" => {
            let options = fields(args, "plan_change_options")?;
            let cycle = BillingCycle::from(&*text(options, "cycle")?);
            let mut plan = PlanChange::new(text(options, "tier")?, cycle);
            if options.contains_key("planChangeReason") {
                plan = plan.reason(text(options, "planChangeReason")?);
            }
            billing.change_plan(key, plan).await
        }
        "download_invoice" => {
            let file = billing.download_invoice(key, args.text(1, "invoice_number")?).await?;
            let hex: String = file.content.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(json!({ "$response": {
                "status": 200,
                "hex": hex,
                "content_type": file.content_type,
                "content_disposition": file.content_disposition,
            }}))
        }
        _ => return Ok(None),
    };
    Ok(Some(answer?))
}

pub(super) async fn credit_bundle(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    credit_bundles(balena, function, args).await.transpose()
}

async fn credit_bundles(balena: &Balena, function: &str, args: &Args) -> Found {
    let bundles = balena.credit_bundle();
    let key = args.organization(0, "organization")?;
    Ok(Some(match function {
        "get_all_by_org" => many(bundles.get_all_by_org(key), &args.options(1, "options")).await?,
        "create" => {
            let (feature, credits) = (args.number(1, "feature_id")?, args.number(2, "credits_to_purchase")?);
            args::json(bundles.create(key, feature, credits).rows::<Value>().await)?
        }
        _ => return Ok(None),
    }))
}

fn fields<'a>(args: &'a Args, name: &str) -> Result<&'a Map<String, Value>, Failure> {
    args.get(1, name).and_then(Value::as_object).ok_or_else(|| Failure::NoSuchType(name.to_owned()))
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String, Failure> {
    fields
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Failure::NoSuchType(name.to_owned()))
}
