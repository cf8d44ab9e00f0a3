//! Rows of plans, features, addons and subscriptions. Not on openBalena.

use jiff::Timestamp;

use crate::resource::schema::resource;

use super::Organization;

resource! {
    /// A billing plan.
    Plan = "plan", "plan" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Display name, e.g. `Production`.
        title / TITLE: String,
        /// Plan code at the payment provider; `None` for free plans.
        billing_code / BILLING_CODE: String,
        /// Price per month when billed monthly; the unit of the currency is not published.
        monthly_price / MONTHLY_PRICE: i64,
        /// Price per year when billed annually, in the unit of `monthly_price`.
        annual_price / ANNUAL_PRICE: i64,
        /// Whether an organization can subscribe without balena's sales team.
        can_self_serve / CAN_SELF_SERVE: bool,
        /// Whether the plan is closed to new subscriptions.
        is_legacy / IS_LEGACY: bool,
        /// Start of the offer; `None` without a start.
        is_valid_from_date / IS_VALID_FROM_DATE = "is_valid_from__date": Timestamp,
        /// End of the offer; `None` without an end.
        is_valid_until_date / IS_VALID_UNTIL_DATE = "is_valid_until__date": Timestamp,
    }
    navigation {
        /// Discount codes for the plan.
        plan_has_discount_code / DISCOUNT_CODE = "plan__has__discount_code": PlanHasDiscountCode,
        /// Included features, one row each.
        plan_feature / PLAN_FEATURE = "plan_feature": PlanFeature,
        /// Features sold in addition, one row each.
        plan_addon / PLAN_ADDON = "plan_addon": PlanAddon,
        /// Current and former subscriptions to the plan.
        subscription / SUBSCRIPTION = "subscription": Subscription,
    }
}

resource! {
    /// A discount code for a plan.
    PlanHasDiscountCode = "plan__has__discount_code", "plan discount code" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// The code, as a user enters it.
        discount_code / DISCOUNT_CODE: String,
    }
    navigation {
        /// Plan that the code is valid for.
        plan / PLAN = "plan": Plan,
    }
}

resource! {
    /// A feature that a plan includes.
    PlanFeature = "plan_feature", "plan feature" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Included quantity of the feature, e.g. the number of devices.
        quantity / QUANTITY: i64,
    }
    navigation {
        /// Plan that includes the feature.
        plan / PLAN = "plan": Plan,
        /// Included feature.
        provides_feature / FEATURE = "provides__feature": Feature,
    }
}

resource! {
    /// A feature that is sold in addition to a plan.
    PlanAddon = "plan_addon", "plan addon" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Price of one unit before discounts, in the unit of [`Plan::monthly_price`].
        base_price / BASE_PRICE: i64,
        /// Whether an organization can buy the addon without balena's sales team.
        can_self_serve / CAN_SELF_SERVE: bool,
        /// Whether the addon is billed by usage.
        bills_dynamically / BILLS_DYNAMICALLY: bool,
    }
    navigation {
        /// Plan that the addon extends.
        plan / PLAN = "plan": Plan,
        /// Feature that the addon provides.
        offers_feature / FEATURE = "offers__feature": Feature,
        /// Discounts on the addon, one row per subscription.
        subscription_addon_discount / SUBSCRIPTION_ADDON_DISCOUNT = "subscription_addon_discount": SubscriptionAddonDiscount,
    }
}

resource! {
    /// A subscription of an organization to a plan.
    Subscription = "subscription", "subscription" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Billing cycle: `monthly`, `quarterly`, `biannual` or `annual`.
        billing_cycle / BILLING_CYCLE: String,
        /// Start of the subscription.
        starts_on_date / STARTS_ON_DATE = "starts_on__date": Timestamp,
        /// End of the subscription; `None` without an end.
        ends_on_date / ENDS_ON_DATE = "ends_on__date": Timestamp,
        /// Whether the subscription is in force.
        is_active / IS_ACTIVE: bool,
        /// Discount on the plan, in percent.
        discount_percentage / DISCOUNT_PERCENTAGE: f64,
        /// Origin of the subscription, as text. The values are not published.
        origin / ORIGIN: String,
    }
    navigation {
        /// Plan of the subscription.
        is_for_plan / PLAN = "is_for__plan": Plan,
        /// Organization that subscribed.
        is_for_organization / ORGANIZATION = "is_for__organization": Organization,
        /// Discounts on addons, one row each.
        subscription_addon_discount / SUBSCRIPTION_ADDON_DISCOUNT = "subscription_addon_discount": SubscriptionAddonDiscount,
        /// Prepaid addons, one row each.
        subscription_prepaid_addon / SUBSCRIPTION_PREPAID_ADDON = "subscription_prepaid_addon": SubscriptionPrepaidAddon,
    }
}

resource! {
    /// A discount of a subscription on an addon.
    SubscriptionAddonDiscount = "subscription_addon_discount", "subscription addon discount" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Discount on the addon, in percent.
        discount_percentage / DISCOUNT_PERCENTAGE: f64,
    }
    navigation {
        /// Subscription with the discount.
        subscription / SUBSCRIPTION = "subscription": Subscription,
        /// Addon that the discount applies to.
        discounts_plan_addon / PLAN_ADDON = "discounts__plan_addon": PlanAddon,
    }
}

resource! {
    /// A quantity of an addon that a subscription paid in advance.
    SubscriptionPrepaidAddon = "subscription_prepaid_addon", "subscription prepaid addon" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Discount on the addon, in percent.
        discount_percentage / DISCOUNT_PERCENTAGE: f64,
        /// Quantity paid.
        quantity / QUANTITY: i64,
        /// Start of the validity.
        starts_on_date / STARTS_ON_DATE = "starts_on__date": Timestamp,
        /// End of the validity; `None` without an end.
        expires_on_date / EXPIRES_ON_DATE = "expires_on__date": Timestamp,
    }
    navigation {
        /// Subscription that paid.
        is_for_subscription / SUBSCRIPTION = "is_for__subscription": Subscription,
        /// Prepaid addon.
        is_for_plan_addon / PLAN_ADDON = "is_for__plan_addon": PlanAddon,
    }
}

resource! {
    /// A feature of plans, e.g. a number of devices or a tier of support.
    Feature = "feature", "feature" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Display name.
        title / TITLE: String,
        /// Unique short name, e.g. `device:microservices`.
        slug / SLUG: String,
        /// Feature code at the payment provider; `None` if the feature is not sold separately.
        billing_code / BILLING_CODE: String,
    }
    navigation {
        /// Support tier of the feature, if it is a support feature.
        is_of_support_feature / SUPPORT_FEATURE = "is_of__support_feature": SupportFeature,
        /// Thresholds for low-credit notifications, one row per organization.
        organization_credit_notification / ORGANIZATION_CREDIT_NOTIFICATION = "organization_credit_notification": OrganizationCreditNotification,
        /// Plans that include the feature, one row each.
        plan_feature / PLAN_FEATURE = "plan_feature": PlanFeature,
        /// Plans that offer the feature as an addon, one row each.
        plan_addon / PLAN_ADDON = "plan_addon": PlanAddon,
    }
}

resource! {
    /// Link between a feature and the support tier that it provides.
    SupportFeature = "support_feature", "support feature" {
        /// Id, assigned by the API.
        id / ID: i64,
    }
    navigation {
        /// The feature.
        feature / FEATURE = "feature": Feature,
        /// Support tier that the feature provides.
        support_tier / SUPPORT_TIER = "support_tier": SupportTier,
    }
}

resource! {
    /// A tier of balena's support.
    SupportTier = "support_tier", "support tier" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Display name.
        title / TITLE: String,
        /// Unique short name.
        slug / SLUG: String,
        /// Whether the tier includes private support.
        includes_private_support / INCLUDES_PRIVATE_SUPPORT: bool,
        /// Service level agreement of the tier, as text; `None` without one.
        includes_sla / INCLUDES_SLA = "includes__SLA": String,
    }
    navigation {
        /// Features that provide the tier, one row each.
        is_of_support_feature / SUPPORT_FEATURE = "is_of__support_feature": SupportFeature,
    }
}

resource! {
    /// Threshold at which the members of an organization are notified of low credits.
    OrganizationCreditNotification = "organization_credit_notification", "organization credit notification" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Number of credits: a balance below it triggers the notification.
        is_sent_when_below_threshold / IS_SENT_WHEN_BELOW_THRESHOLD = "is_sent_when_below__threshold": i64,
    }
    navigation {
        /// Organization whose members are notified.
        organization / ORGANIZATION = "organization": Organization,
        /// Feature that the credits are for.
        owns_credit_notification_for_feature / FEATURE = "owns_credit_notification_for__feature": Feature,
    }
}
