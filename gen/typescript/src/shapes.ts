// Written by api/sdk. Do not edit.
import type { Shape } from "./shape.js";

export const shapes: Record<string, Shape> = {
  "createRental 201": {
    "customer_id": "int32",
    "due_date": "date-time",
    "film_id": "int32",
    "inventory_id": "int32",
    "rental_date": "date-time",
    "rental_id": "int32",
    "return_date": "date-time|null",
    "staff_id": "int32"
  },
  "createToken 200": {
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
  },
  "getFilm 200": {
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
  "getRental 200": {
    "customer_id": "int32",
    "due_date": "date-time",
    "film_id": "int32",
    "inventory_id": "int32",
    "rental_date": "date-time",
    "rental_id": "int32",
    "return_date": "date-time|null",
    "staff_id": "int32"
  },
  "handOff 200": {
    "agent": "string",
    "answer": "string",
    "sources": [
      {
        "film_id": "int32",
        "title": "string"
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
    "page": "int32",
    "page_size": "int32",
    "total": "integer"
  },
  "summarizeFilm 200": {
    "rating": "string",
    "recommended": "boolean",
    "title": "string"
  }
};
