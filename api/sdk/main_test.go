package main

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// sample has what the contract may come to have: headers, lists, names that languages keep for
// themselves, paths with text in them, pages below another resource, and a response without a body.
const sample = `
openapi: 3.0.3
info: { title: Sample, version: 7.8.9 }
paths:
  /plans/{type}:
    parameters:
      - { name: type, in: path, required: true, schema: { type: string } }
    get:
      operationId: getPlan
      summary: Read a plan
      description: It says */ and """.
      parameters:
        - { name: from, in: query, schema: { type: string, format: date-time } }
        - { name: rating, in: query, schema: { type: array, items: { $ref: "#/components/schemas/Rating" } } }
      responses: { "200": { description: It., content: { application/json: { schema: { $ref: "#/components/schemas/Plan" } } } } }
    patch:
      operationId: changePlan
      summary: Change a plan
      parameters:
        - { name: If-Match, in: header, required: true, schema: { type: string } }
      requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/Plan" } } } }
      responses: { "204": { description: Done. } }
    delete:
      operationId: deletePlan
      tags: [Contract]
      responses: { "204": { description: Done. } }
  /stores/{store_id}/plans:
    get:
      operationId: listPlans
      summary: List plans
      parameters:
        - { name: store_id, in: path, required: true, schema: { type: integer, format: int32 } }
        - { name: page, in: query, schema: { type: integer, format: int32 } }
        - { name: page_size, in: query, schema: { type: integer, format: int32, maximum: 50 } }
      responses: { "200": { description: It., content: { application/json: { schema: { $ref: "#/components/schemas/PlanPage" } } } } }
components:
  schemas:
    Rating: { type: string, enum: [G, R] }
    Plan:
      type: object
      required: [name]
      properties: { class: { type: boolean }, name: { type: string } }
    PlanPage:
      type: object
      required: [items, total]
      properties: { items: { type: array, items: { $ref: "#/components/schemas/Plan" } }, total: { type: integer } }
`

func load(t *testing.T, document string) (contract, error) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return readContract(doc)
}

func TestMethods(t *testing.T) {
	t.Parallel()
	c, err := load(t, sample)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"../gen/client/operations.gen.go": {
			`const Version = "7.8.9"`,
			"func (a *API) GetPlan(ctx context.Context, type_ string, params GetPlanParams) (*Plan, error) {",
			"func (a *API) ChangePlan(ctx context.Context, type_ string, body Plan, params ChangePlanParams) error {",
			"func (a *API) ListAllPlans(ctx context.Context, storeID int32, params ListPlansParams) iter.Seq2[Plan, error] {",
			"a.ListPlans(ctx, storeID, params)",
		},
		"../gen/typescript/src/operations.ts": {
			`version = "7.8.9"`,
			`It says *\/ and """.`,
			`getPlan(type_: string, params?: NonNullable<operations["getPlan"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["Plan"]>;`,
			`changePlan(type_: string, body: Schemas["Plan"], params: NonNullable<operations["changePlan"]["parameters"]["header"]>, options?: CallOptions): Promise<void>;`,
			`changePlan: { method: "PATCH", path: "/plans/{type}", body: true, params: true, headers: ["If-Match"] },`,
			`pages: { name: "listAllPlans", size: 50 }`,
		},
		"../gen/python/pagila_api/_async_operations.py": {
			`It says */ and \"\"\".`,
			"type: str,\n        *,\n        from_: datetime | None = None,\n        rating: Sequence[models.Rating] | None = None,\n    ) -> models.Plan:",
			"name: str,\n        class_: bool | None = None,\n        if_match: str,\n    ) -> None:",
			`_call.body["class"] = class_`,
			"async def list_all_plans(\n        self,\n        store_id: int,",
		},
		"../gen/testdata/operations.json": {`"id": "getPlan"`, `"pages": "listAllPlans"`},
		"../gen/client/shapes.gen.go":     {`"changePlan 204": "none"`},
	} {
		text, err := c.render(path)
		if err != nil {
			t.Error(err)
		}
		for _, part := range want {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s has no %s", path, part)
			}
		}
		if strings.Contains(strings.ToLower(string(text)), "deleteplan") {
			t.Errorf("%s has a method for the documentation", path)
		}
	}
}

// An operation that the templates cannot express is an error.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"a cookie":           {"in: header", "in: cookie"},
		"a body of text":     {"requestBody: { content: { application/json: ", "requestBody: { content: { text/plain: "},
		"a nameless body":    {`requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/Plan" }`, `requestBody: { content: { application/json: { schema: { type: object }`},
		"a nameless result":  {`{ $ref: "#/components/schemas/PlanPage" }`, "{ type: object }"},
		"two statuses":       {`{ "204": { description: Done. } }`, `{ "202": { description: Later. }, "204": { description: Done. } }`},
		"no status":          {`{ "204": { description: Done. } }`, `{ default: { description: Done. } }`},
		"a fraction in path": {"{ name: store_id, in: path, required: true, schema: { type: integer, format: int32 } }", "{ name: store_id, in: path, required: true, schema: { type: number } }"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := strings.ReplaceAll(sample, change[0], change[1])
			if document == sample {
				t.Fatal("nothing is changed")
			}
			c, err := load(t, document)
			for path := range files {
				if err == nil {
					_, err = c.render(path)
				}
			}
			if err == nil {
				t.Error("it is accepted")
			}
		})
	}
}
