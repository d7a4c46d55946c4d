// Written by api/sdk. Do not edit.
import type { Shape } from "./shape.js";

const shared1: Shape = {
  "active": "boolean",
  "customer_id": "int32",
  "end_date": "date|null",
  "plan_name": "string",
  "start_date": "date",
  "subscription_id": "int32"
};

const shared2: Shape = {
  "customer_id": "int32",
  "days_overdue": "integer",
  "due_date": "date-time",
  "film_id": "int32",
  "inventory_id": "int32",
  "late_fee?": "string",
  "rental_date": "date-time",
  "rental_id": "int32",
  "return_date": "date-time|null",
  "staff_id": "int32",
  "store_id": "int32",
  "title": "string"
};

const shared3: Shape = {
  "film_id": "int32",
  "title": "string"
};

const shared4: Shape = {
  "actors": [
    {
      "actor_id": "int32",
      "first_name": "string",
      "last_name": "string"
    }
  ],
  "availability": [
    {
      "copies": "int32",
      "in_stock": "int32",
      "store_id": "int32"
    }
  ],
  "categories": [
    "string"
  ],
  "category?": "string",
  "description?": "string",
  "etag": "string",
  "film_id": "int32",
  "language": "string",
  "length?": "int32",
  "rating?": "string",
  "release_year?": "int32",
  "rental_duration": "int32",
  "rental_rate?": "string",
  "replacement_cost?": "string",
  "special_features": [
    "string"
  ],
  "streaming_available": "boolean",
  "title": "string"
};

const shared5: Shape = {
  "items": [
    shared2
  ],
  "next_cursor?": "string",
  "page?": "int32",
  "page_size": "int32",
  "total?": "integer"
};

export const shapes: Record<string, Shape> = {
  "cancelSubscription 200": shared1,
  "createRental 201": shared2,
  "createSubscription 201": shared1,
  "createToken 200": {
    "access_token": "string",
    "scope?": "string",
    "token_type": "string"
  },
  "event delta": {
    "text": "string"
  },
  "event done": {
    "finish_reason": "string",
    "model": "string",
    "usage": {
      "completion_tokens": "integer",
      "prompt_tokens": "integer"
    }
  },
  "event sources": {
    "films": [
      shared3
    ],
    "total": "integer"
  },
  "event tool": {
    "arguments": {},
    "duration_ms": "integer",
    "films": "int32",
    "name": "string",
    "status": "int32"
  },
  "getActor 200": {
    "actor_id": "int32",
    "films": [
      shared3
    ],
    "first_name": "string",
    "last_name": "string"
  },
  "getCustomer 200": {
    "active": "boolean",
    "address?": {
      "additional_address?": "string",
      "address?": "string",
      "city?": "string",
      "country?": "string",
      "district?": "string",
      "phone?": "string",
      "postal_code?": "string"
    },
    "customer_id": "int32",
    "email?": "string",
    "first_name": "string",
    "last_name": "string",
    "late_fees?": "string",
    "open_rentals": [
      shared2
    ],
    "overdue": "int32",
    "store_id": "int32",
    "subscription?": shared1
  },
  "getFilm 200": shared4,
  "getHealth 200": {
    "status": "string"
  },
  "getReadiness 200": {
    "database": "string",
    "dataset": "string",
    "llm": {
      "model": "string",
      "problem?": "string",
      "provider": "string"
    },
    "migration": "string",
    "status": "string",
    "version": "string"
  },
  "getRental 200": shared2,
  "getSubscription 200": shared1,
  "handOff 200": {
    "agent": "string",
    "answer": "string",
    "sources": [
      shared3
    ],
    "total": "integer"
  },
  "listActors 200": {
    "items": [
      {
        "actor_id": "int32",
        "film_count": "integer",
        "first_name": "string",
        "last_name": "string"
      }
    ],
    "page": "int32",
    "page_size": "int32",
    "total": "integer"
  },
  "listCategories 200": {
    "items": [
      {
        "category_id": "int32",
        "film_count": "integer",
        "name": "string"
      }
    ]
  },
  "listCustomerPayments 200": {
    "items": [
      {
        "amount?": "string",
        "customer_id": "int32",
        "payment_date": "date-time",
        "payment_id": "int32",
        "rental_id": "int32",
        "staff_id": "int32"
      }
    ],
    "next_cursor?": "string",
    "page?": "int32",
    "page_size": "int32",
    "total?": "integer"
  },
  "listCustomerRentals 200": shared5,
  "listCustomerSubscriptions 200": {
    "items": [
      shared1
    ]
  },
  "listCustomers 200": {
    "items": [
      {
        "active": "boolean",
        "customer_id": "int32",
        "email?": "string",
        "first_name": "string",
        "last_name": "string",
        "store_id": "int32"
      }
    ],
    "next_cursor?": "string",
    "page?": "int32",
    "page_size": "int32",
    "total?": "integer"
  },
  "listFilmInventory 200": {
    "items": [
      {
        "due_date?": "date-time",
        "in_stock": "boolean",
        "inventory_id": "int32",
        "store_id": "int32"
      }
    ]
  },
  "listFilms 200": {
    "items": [
      {
        "category?": "string",
        "description?": "string",
        "film_id": "int32",
        "language": "string",
        "length?": "int32",
        "rating?": "string",
        "release_year?": "int32",
        "rental_duration": "int32",
        "rental_rate?": "string",
        "replacement_cost?": "string",
        "special_features": [
          "string"
        ],
        "streaming_available": "boolean",
        "title": "string"
      }
    ],
    "next_cursor?": "string",
    "page?": "int32",
    "page_size": "int32",
    "total?": "integer"
  },
  "listLanguages 200": {
    "items": [
      {
        "film_count": "integer",
        "language_id": "int32",
        "name": "string"
      }
    ]
  },
  "listPlans 200": {
    "items": [
      {
        "description": "string",
        "plan_name": "string"
      }
    ]
  },
  "listRentals 200": shared5,
  "listStores 200": {
    "items": [
      {
        "address?": "string",
        "city?": "string",
        "country?": "string",
        "district?": "string",
        "store_id": "int32"
      }
    ]
  },
  "problem rental": shared2,
  "problem subscription": shared1,
  "returnRental 200": shared2,
  "summarizeFilm 200": {
    "rating": "string",
    "recommended": "boolean",
    "title": "string"
  },
  "updateFilm 200": shared4
};
