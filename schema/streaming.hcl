// This table is ours, not Pagila's. It says who has subscribed to streaming, on which plan, and from when to
// when. The second migration creates it.
table "streaming_subscription" {
  schema = schema.public
  column "id" {
    type = serial
  }
  column "customer_id" {
    type = integer
  }
  column "plan_name" {
    type = text
  }
  column "start_date" {
    type = date
  }
  // The last day, or null if the subscription has no end.
  column "end_date" {
    null = true
    type = date
  }
  primary_key {
    columns = [column.id]
  }
  foreign_key "streaming_subscription_customer_id_fkey" {
    columns     = [column.customer_id]
    ref_columns = [table.customer.column.customer_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_fk_streaming_subscription_customer_id" {
    columns = [column.customer_id]
  }
  check "streaming_subscription_dates" {
    expr = "end_date IS NULL OR end_date >= start_date"
  }
}
