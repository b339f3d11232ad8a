# What is wrong with the requests that retrain_on_push and retrain_on_data list, told at plan: the
# queue would tell it only when an image has been pushed. trainshed/request.py says what is right.
locals {
  request_numbers = { epochs = [1, 10000], priority = [0, 9], max_attempts = [1, 10], timeout_minutes = [1, 20160] }
  request_fields  = concat(["name", "model_type", "dataset", "hyperparameters"], keys(local.request_numbers))

  retrain_problems = {
    for rule, retrain in local.retrain : rule => concat(
      length(retrain.requests) > 5 ? ["an event can queue five requests at most"] : [],
      length(retrain.requests) > length(distinct([for request in retrain.requests : try(tostring(request.name), "")])) ? ["two requests have one name"] : [],
      flatten([
        for number, request in retrain.requests : [
          for problem in concat(
            [for field in keys(request) : "it cannot have ${field}" if !contains(local.request_fields, field)],
            can(regex("^[a-z0-9][a-z0-9-]{0,62}$", request.name)) ? [] : ["its name must be 1 to 63 lower-case letters, digits and hyphens, and start with a letter or digit"],
            can(local.model_types[request.model_type]) ? [] : ["there is no model type ${try(jsonencode(request.model_type), "")}"],
            can(regex("^s3://[^/]+/.", try(request.dataset, "s3://bucket/key"))) ? [] : ["its dataset must be an s3:// address"],
            can(keys(try(request.hyperparameters, {}))) ? [] : ["its hyperparameters must be a map"],
            [
              for field, range in local.request_numbers : "its ${field} must be a whole number from ${range[0]} to ${range[1]}"
              if can(request[field]) && !try(floor(request[field]) == request[field] && request[field] >= range[0] && request[field] <= range[1], false)
            ],
          ) : "request ${number + 1}: ${problem}"
        ]
      ]),
      [
        for twice in local.retrain_twice : "${twice.name} is asked for by ${jsonencode(twice.wider)} too, and a new object asks for a name once"
        if twice.rule == rule
      ],
      [
        for given in local.retrain_values : "request ${given.number + 1}: ${given.name} cannot be ${given.json}"
        if given.rule == rule && !given.fits
      ],
    )
  }

  # Names that a key of data shares with a key above it. An object there would queue two requests
  # with one modelId, which is made of the object and the name: whichever came first would be trained.
  retrain_twice = flatten([
    for wider, above in var.retrain_on_data : [
      for key, requests in var.retrain_on_data : [
        for name in [for request in requests : try(tostring(request.name), "")] : { rule = "data-${substr(sha256(key), 0, 8)}", name = jsonencode(name), wider = wider }
        if contains([for request in above : try(tostring(request.name), "")], name)
      ] if key != wider && startswith(key, wider)
    ] if endswith(wider, "/")
  ])

  # Each hyperparameter that is given, and whether its model type has it and takes the value.
  retrain_values = [
    for given in flatten([
      for rule, retrain in local.retrain : [
        for number, request in retrain.requests : [
          for name, value in try({ for name, value in request.hyperparameters : name => value }, {}) : {
            rule   = rule
            number = number
            name   = name
            value  = value
            json   = jsonencode(value)
            spec   = try(local.model_types[request.model_type].hyperparameters[name], { type = "none" })
          }
        ]
      ]
    ]) :
    merge(given, {
      fits = (
        {
          string  = startswith(given.json, "\"")
          boolean = contains(["true", "false"], given.json)
          number  = !startswith(given.json, "\"") && can(given.value + 0)
          integer = !startswith(given.json, "\"") && try(floor(given.value) == given.value, false)
          none    = false
        }[given.spec.type] &&
        try(given.value >= given.spec.minimum, true) &&
        try(given.value <= given.spec.maximum, true) &&
        try(contains(given.spec.choices, given.value), true)
      )
    })
  ]
}
