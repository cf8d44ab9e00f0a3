//! Rows: plans, what they offer, and the subscriptions of organizations to them. The open server has none of them.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::Organization;

resource! {
    /// A plan that organizations pay for.
    Plan = "plan", "plan" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Name for people, e.g. `Production`.
        title / TITLE: String,
        /// Its code at the payment service; none of plans that cost nothing.
        billing_code / BILLING_CODE: String,
        /// Price of a month, in the smallest unit of the currency, when it is paid by the month.
        monthly_price / MONTHLY_PRICE: i64,
        /// Price of a year, in the smallest unit of the currency, when it is paid by the year.
        annual_price / ANNUAL_PRICE: i64,
        /// Whether an organization can take it by itself.
        can_self_serve / CAN_SELF_SERVE: bool,
        /// Whether new organizations can no longer have it.
        is_legacy / IS_LEGACY: bool,
        /// From when it is offered; none when it always was.
        is_valid_from_date / IS_VALID_FROM_DATE = "is_valid_from__date": Timestamp,
        /// Until when it is offered; none without an end.
        is_valid_until_date / IS_VALID_UNTIL_DATE = "is_valid_until__date": Timestamp,
    }
    navigation {
        /// Codes that make it cheaper.
        plan_has_discount_code / DISCOUNT_CODE = "plan__has__discount_code": PlanHasDiscountCode,
        /// Features that it has, a row each.
        plan_feature / PLAN_FEATURE = "plan_feature": PlanFeature,
        /// Features that can be bought in addition, a row each.
        plan_addon / PLAN_ADDON = "plan_addon": PlanAddon,
        /// Organizations that have or had it, a row each.
        subscription / SUBSCRIPTION = "subscription": Subscription,
    }
}

resource! {
    /// A code that makes a plan cheaper.
    PlanHasDiscountCode = "plan__has__discount_code", "plan discount code" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// The code, as a user types it.
        discount_code / DISCOUNT_CODE: String,
    }
    navigation {
        /// The plan that it makes cheaper.
        plan / PLAN = "plan": Plan,
    }
}

resource! {
    /// That a plan has a feature.
    PlanFeature = "plan_feature", "plan feature" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// How much of it, e.g. the number of devices.
        quantity / QUANTITY: i64,
    }
    navigation {
        /// The plan that has it.
        plan / PLAN = "plan": Plan,
        /// The feature that it has.
        provides_feature / FEATURE = "provides__feature": Feature,
    }
}

resource! {
    /// That a feature can be bought in addition to a plan.
    PlanAddon = "plan_addon", "plan addon" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Price of one, in the smallest unit of the currency, before discounts.
        base_price / BASE_PRICE: i64,
        /// Whether an organization can buy it by itself.
        can_self_serve / CAN_SELF_SERVE: bool,
        /// Whether what is used is paid afterwards.
        bills_dynamically / BILLS_DYNAMICALLY: bool,
    }
    navigation {
        /// The plan that it is offered with.
        plan / PLAN = "plan": Plan,
        /// The feature that is offered.
        offers_feature / FEATURE = "offers__feature": Feature,
        /// Subscriptions that get it cheaper, a row each.
        subscription_addon_discount / SUBSCRIPTION_ADDON_DISCOUNT = "subscription_addon_discount": SubscriptionAddonDiscount,
    }
}

resource! {
    /// That an organization has a plan.
    Subscription = "subscription", "subscription" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// How often is paid: `monthly`, `quarterly`, `biannual` or `annual`.
        billing_cycle / BILLING_CYCLE: String,
        /// From when it counts.
        starts_on_date / STARTS_ON_DATE = "starts_on__date": Timestamp,
        /// Until when it counts; none without an end.
        ends_on_date / ENDS_ON_DATE = "ends_on__date": Timestamp,
        /// Whether it counts now.
        is_active / IS_ACTIVE: bool,
        /// Percent that the plan is cheaper.
        discount_percentage / DISCOUNT_PERCENTAGE: f64,
        /// Where it came from, e.g. the dashboard.
        origin / ORIGIN: String,
    }
    navigation {
        /// The plan that the organization has.
        is_for_plan / PLAN = "is_for__plan": Plan,
        /// The organization that has it.
        is_for_organization / ORGANIZATION = "is_for__organization": Organization,
        /// Addons that are cheaper, a row each.
        subscription_addon_discount / SUBSCRIPTION_ADDON_DISCOUNT = "subscription_addon_discount": SubscriptionAddonDiscount,
        /// Addons that were paid in advance, a row each.
        subscription_prepaid_addon / SUBSCRIPTION_PREPAID_ADDON = "subscription_prepaid_addon": SubscriptionPrepaidAddon,
    }
}

resource! {
    /// That a subscription gets an addon cheaper.
    SubscriptionAddonDiscount = "subscription_addon_discount", "subscription addon discount" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Percent that the addon is cheaper.
        discount_percentage / DISCOUNT_PERCENTAGE: f64,
    }
    navigation {
        /// The subscription that gets it.
        subscription / SUBSCRIPTION = "subscription": Subscription,
        /// The addon that is cheaper.
        discounts_plan_addon / PLAN_ADDON = "discounts__plan_addon": PlanAddon,
    }
}

resource! {
    /// That an addon of a subscription was paid in advance.
    SubscriptionPrepaidAddon = "subscription_prepaid_addon", "subscription prepaid addon" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Percent that it was cheaper.
        discount_percentage / DISCOUNT_PERCENTAGE: f64,
        /// How many were paid.
        quantity / QUANTITY: i64,
        /// From when they count.
        starts_on_date / STARTS_ON_DATE = "starts_on__date": Timestamp,
        /// Until when they count; none without an end.
        expires_on_date / EXPIRES_ON_DATE = "expires_on__date": Timestamp,
    }
    navigation {
        /// The subscription that they are for.
        is_for_subscription / SUBSCRIPTION = "is_for__subscription": Subscription,
        /// The addon that was paid.
        is_for_plan_addon / PLAN_ADDON = "is_for__plan_addon": PlanAddon,
    }
}

resource! {
    /// Something that plans have or offer, e.g. devices or support.
    Feature = "feature", "feature" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Name for people.
        title / TITLE: String,
        /// Short name, unique, e.g. `device:microservices`.
        slug / SLUG: String,
        /// Its code at the payment service; none when it is not sold by itself.
        billing_code / BILLING_CODE: String,
    }
    navigation {
        /// Support that it is, where it is one.
        is_of_support_feature / SUPPORT_FEATURE = "is_of__support_feature": SupportFeature,
        /// When organizations hear that credits for it run out, a row each.
        organization_credit_notification / ORGANIZATION_CREDIT_NOTIFICATION = "organization_credit_notification": OrganizationCreditNotification,
        /// Plans that have it, a row each.
        plan_feature / PLAN_FEATURE = "plan_feature": PlanFeature,
        /// Plans that it can be bought in addition to, a row each.
        plan_addon / PLAN_ADDON = "plan_addon": PlanAddon,
    }
}

resource! {
    /// That a feature is a tier of support.
    SupportFeature = "support_feature", "support feature" {
        /// Number that the cloud gave it.
        id / ID: i64,
    }
    navigation {
        /// The feature that it is.
        feature / FEATURE = "feature": Feature,
        /// The tier that it is.
        support_tier / SUPPORT_TIER = "support_tier": SupportTier,
    }
}

resource! {
    /// A tier of balena's support.
    SupportTier = "support_tier", "support tier" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Name for people.
        title / TITLE: String,
        /// Short name, unique.
        slug / SLUG: String,
        /// Whether it has support that others do not see.
        includes_private_support / INCLUDES_PRIVATE_SUPPORT: bool,
        /// What is promised of how soon is answered; none when nothing is.
        includes_sla / INCLUDES_SLA = "includes__SLA": String,
    }
    navigation {
        /// Features that are it, a row each.
        is_of_support_feature / SUPPORT_FEATURE = "is_of__support_feature": SupportFeature,
    }
}

resource! {
    /// When the members of an organization hear that credits run out.
    OrganizationCreditNotification = "organization_credit_notification", "organization credit notification" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was set.
        created_at / CREATED_AT: Timestamp,
        /// How many credits are left when they hear of it.
        is_sent_when_below_threshold / IS_SENT_WHEN_BELOW_THRESHOLD = "is_sent_when_below__threshold": i64,
    }
    navigation {
        /// The organization whose members hear.
        organization / ORGANIZATION = "organization": Organization,
        /// The feature that the credits are for.
        owns_credit_notification_for_feature / FEATURE = "owns_credit_notification_for__feature": Feature,
    }
}
