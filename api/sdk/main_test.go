package main

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// sample uses features that the contract may use later: headers, repeated parameters, names that languages
// reserve, text in paths, pages of a subresource by number and by cursor, optional and composed bodies,
// two statuses with the same result, responses without a body, and a write that may be repeated.
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
        - { name: until, in: query, schema: { type: string, format: date } }
      responses: { "200": { description: It., content: { application/json: { schema: { $ref: "#/components/schemas/Plan" } } } } }
    patch:
      operationId: changePlan
      summary: Change a plan
      parameters:
        - { name: If-Match, in: header, required: true, schema: { type: string } }
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Plan" } } } }
      responses: { "204": { description: Done. } }
    put:
      operationId: replacePlan
      summary: Replace a plan
      x-repeat: { code: already_replaced, member: plan }
      requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/NewPlan" } } } }
      responses:
        "200": { description: Old., content: { application/json: { schema: { $ref: "#/components/schemas/Plan" } } } }
        "201": { description: New., content: { application/json: { schema: { $ref: "#/components/schemas/Plan" } } } }
        "409": { description: Replaced before. }
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
        - { name: page, in: query, schema: { type: integer, format: int32, maximum: 9 } }
        - { name: page_size, in: query, schema: { type: integer, format: int32, maximum: 50 } }
      responses: { "200": { description: It., content: { application/json: { schema: { $ref: "#/components/schemas/PlanPage" } } } } }
  /stores:
    get:
      operationId: searchStores
      summary: Search stores
      parameters:
        - { name: page, in: query, schema: { type: integer, format: int32, maximum: 9 } }
        - { name: page_size, in: query, schema: { type: integer, format: int32, maximum: 50 } }
        - { name: cursor, in: query, schema: { type: string } }
      responses: { "200": { description: It., content: { application/json: { schema: { $ref: "#/components/schemas/StorePage" } } } } }
    delete:
      operationId: deleteStores
      summary: Delete all stores
      responses: { "204": { description: Done. } }
  /stores/by-cursor:
    get:
      operationId: listStores
      summary: List stores
      parameters:
        - { name: cursor, in: query, schema: { type: string } }
      responses: { "200": { description: It., content: { application/json: { schema: { $ref: "#/components/schemas/StorePage" } } } } }
components:
  schemas:
    Rating: { type: string, enum: [G, R] }
    ProblemCode: { type: string, enum: [already_replaced] }
    Problem:
      type: object
      properties: { code: { type: string }, size: { type: integer }, plan: { $ref: "#/components/schemas/Plan" } }
    Plan:
      type: object
      required: [name]
      properties: { class: { type: boolean }, name: { type: string } }
    NewPlan:
      allOf:
        - { $ref: "#/components/schemas/Plan" }
        - { type: object, required: [note], properties: { note: { type: string, nullable: true }, size: { type: integer, nullable: true } } }
    StorePage:
      allOf:
        - { $ref: "#/components/schemas/PlanPage" }
        - { type: object, properties: { next_cursor: { type: string, nullable: true } } }
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

func TestGeneratedCode(t *testing.T) {
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
			"return page[Plan]{items: found.Items, total: int64(found.Total)}, nil",
			"func (a *API) ReplacePlan(ctx context.Context, type_ string, body *NewPlan) (*Plan, error) {",
			"return allPages(position{number: params.Page, cursor: params.Cursor}, size, func(at position) (page[Plan], error) {",
			`total: int64(found.Total), cursor: orElse(found.NextCursor, "")}, nil`,
			"return allPages(position{cursor: params.Cursor}, 0, func(at position) (page[Plan], error) {",
			"func (a *API) DeleteStores(ctx context.Context) error {",
			`repeat:     repeat{code: "already_replaced", member: "plan"},`,
		},
		"../gen/typescript/src/operations.ts": {
			`version = "7.8.9"`,
			`It says *\/ and """.`,
			`getPlan(type_: string, params?: NonNullable<operations["getPlan"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["Plan"]>;`,
			`changePlan(type_: string, body: Schemas["Plan"], params: NonNullable<operations["changePlan"]["parameters"]["header"]>, options?: CallOptions): Promise<void>;`,
			`changePlan: { method: "PATCH", path: "/plans/{type}", body: true, params: true, headers: ["If-Match"] },`,
			`pages: { name: "listAllPlans", size: 50, numbered: true }`,
			`body: true, repeat: { code: "already_replaced", member: "plan" } },`,
			`pages: { name: "allSearchStores", size: 50, numbered: true, cursor: true }`,
			`pages: { name: "listAllStores", cursor: true }`,
			`replacePlan(type_: string, body: Schemas["NewPlan"] | undefined, options?: CallOptions): Promise<Schemas["Plan"]>;`,
		},
		"../gen/python/pagila_api/_async_operations.py": {
			`It says */ and \"\"\".`,
			"type: str,\n        *,\n        from_: datetime | None = None,\n        rating: Sequence[models.Rating] | None = None,\n        until: date | None = None,\n    ) -> models.Plan:",
			"name: str,\n        class_: bool | None = None,\n        if_match: str,\n    ) -> None:",
			`_call.body["class"] = class_ if class_ is not None else UNSET`,
			"note: str | None,\n        class_: bool | None = None,\n        size: int | None | Unset = UNSET,\n    )",
			"_at: Position | None = Position(number=page, size=page_size, cursor=cursor)",
			"_at.following(len(_found.items), total=_found.total or 0, cursor=_found.next_cursor or None)",
			"page=_at.number,\n                page_size=page_size,\n                cursor=_at.cursor,\n",
			"_at: Position | None = Position(cursor=cursor)",
			`_call.repeat = Repeat("already_replaced", "plan")`,
			"async def delete_stores(\n        self,\n    ) -> None:",
			"async def list_all_plans(\n        self,\n        store_id: int,",
		},
		"../gen/testdata/operations.json": {`"id": "getPlan"`, `"pages": "listAllPlans"`},
		// What occurs twice is a constant.
		"../gen/typescript/src/shapes.ts": {"const shared1: Shape = {\n  \"class?\": \"boolean\",", `"changePlan 204": "none"`, `"problem plan": shared1`},
		"../gen/client/shapes.gen.go":     {`"changePlan 204": "none"`, "\"problem plan\": {\n    \"class?\": \"boolean\","},
	} {
		text, err := c.render(path)
		if err != nil {
			t.Error(err)
		}
		for _, part := range want {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %s", path, part)
			}
		}
		if strings.Contains(strings.ToLower(string(text)), "deleteplan") {
			t.Errorf("%s has a method for an operation of the documentation", path)
		}
	}
}

// An operation that the SDKs cannot express is an error.
func TestUnsupportedOperations(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ old, changed, message string }{
		"a cookie":                         {"in: header", "in: cookie", "cannot send the parameter If-Match in a cookie"},
		"a text body":                      {"requestBody: { content: { application/json: ", "requestBody: { content: { text/plain: ", "its body must be JSON with a named schema"},
		"an unnamed body":                  {`required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Plan" }`, `required: true, content: { application/json: { schema: { type: object }`, "its body must be JSON with a named schema"},
		"an unnamed result":                {`{ $ref: "#/components/schemas/PlanPage" }`, "{ type: object }", "its result must be a JSON object with a named schema"},
		"two results":                      {`"201": { description: New., content: { application/json: { schema: { $ref: "#/components/schemas/Plan" } } } }`, `"204": { description: Done. }`, "it has 2 results"},
		"a list that is not exploded":      {"{ name: rating, in: query, ", "{ name: rating, in: query, explode: false, ", "repeat the parameter rating for each item"},
		"an object":                        {"{ name: until, in: query, schema: { type: string, format: date } }", "{ name: until, in: query, schema: { type: object } }", "cannot send the parameter until"},
		"two arguments with the same name": {"{ name: If-Match, in: header", "{ name: class, in: header", "two arguments with the name class_"},
		"an unlimited page size":           {"format: int32, maximum: 50 }", "format: int32 }", "the parameter page_size of pages must be an int32 with a maximum"},
		"unnamed items":                    {`items: { type: array, items: { $ref: "#/components/schemas/Plan" } }`, "items: { type: array, items: { type: object } }", "the items of its pages must have a named schema"},
		"no 2xx response":                  {`{ "204": { description: Done. } }`, `{ default: { description: Done. } }`, "it has 0 results"},
		"a number in the path":             {"{ name: store_id, in: path, required: true, schema: { type: integer, format: int32 } }", "{ name: store_id, in: path, required: true, schema: { type: number } }", "store_id"},
		"a cursor that is a number":        {"{ name: cursor, in: query, schema: { type: string } }", "{ name: cursor, in: query, schema: { type: integer, format: int32, maximum: 9 } }", "the parameter cursor of pages must be a string without a format"},
		"a cursor that is a time":          {"{ name: cursor, in: query, schema: { type: string } }", "{ name: cursor, in: query, schema: { type: string, format: date-time } }", "the parameter cursor of pages must be a string without a format"},
		"a next cursor that is a number":   {"next_cursor: { type: string, nullable: true }", "next_cursor: { type: integer }", "next_cursor of pages must be a string without a format"},
		"a total that is a string":         {"total: { type: integer }", "total: { type: string }", "the total of pages must be an integer"},
		"a repeated write without 409":     {`"409": { description: Replaced before. }`, "default: { description: Else. }", "its x-repeat needs the response 409"},
		"a repeat with another code":       {"code: already_replaced", "code: already", `the code "already" of its x-repeat is not a ProblemCode`},
		"a repeat with another member":     {"member: plan", "member: size", `the member "size" of its x-repeat is not a member of Problem with the operation's result`},
		"a repeat without a member":        {", member: plan", "", `the member "" of its x-repeat is not a member of Problem with the operation's result`},
		"a property without a type":        {"class: { type: boolean }", "class: {}", "the property class: it has no type that the SDKs can check"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := strings.ReplaceAll(sample, change.old, change.changed)
			if document == sample {
				t.Fatal("the sample does not have the text to replace")
			}
			c, err := load(t, document)
			for path := range files {
				if err == nil {
					_, err = c.render(path)
				}
			}
			if err == nil || !strings.Contains(err.Error(), change.message) {
				t.Errorf("the error is %v, want %s", err, change.message)
			}
		})
	}
}
