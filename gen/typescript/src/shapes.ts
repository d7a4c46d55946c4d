// Written by api/shapes. Do not edit.
import type { Shape } from "./shape.js";

export const shapes: Record<string, Shape> = {
  "GET /customers/{customer_id}/rentals/{rental_id} 200": {
    "customer_id": "int32",
    "due_date": "date-time",
    "film_id": "int32",
    "inventory_id": "int32",
    "rental_date": "date-time",
    "rental_id": "int32",
    "return_date": "date-time|null",
    "staff_id": "int32"
  },
  "GET /films 200": {
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
    "page": "int32",
    "page_size": "int32",
    "total": "integer"
  },
  "GET /films/{film_id} 200": {
    "actors": [
      {
        "actor_id": "int32",
        "first_name": "string",
        "last_name": "string"
      }
    ],
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
  },
  "GET /healthz 200": {
    "status": "string"
  },
  "GET /readyz 200": {
    "database": "string",
    "dataset": "string",
    "llm": {
      "model": "string",
      "problem?": "string",
      "provider": "string"
    },
    "migration": "string",
    "status": "string"
  },
  "POST /ai/handoff 200": {
    "agent": "string",
    "answer": "string",
    "sources": [
      {
        "film_id": "int32",
        "title": "string"
      }
    ]
  },
  "POST /ai/summary 200": {
    "rating": "string",
    "recommended": "boolean",
    "title": "string"
  },
  "POST /customers/{customer_id}/rentals 201": {
    "customer_id": "int32",
    "due_date": "date-time",
    "film_id": "int32",
    "inventory_id": "int32",
    "rental_date": "date-time",
    "rental_id": "int32",
    "return_date": "date-time|null",
    "staff_id": "int32"
  },
  "POST /token 200": {
    "access_token": "string",
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
      {
        "film_id": "int32",
        "title": "string"
      }
    ]
  }
};
