# The model types are the folders with a model_type.json: a new folder is all that a new one takes.
locals {
  model_types_folder = coalesce(var.model_types, "${path.module}/../../model_types")

  model_types = {
    for file in fileset(local.model_types_folder, "*/model_type.json") :
    dirname(file) => jsondecode(file("${local.model_types_folder}/${file}"))
  }

  # Names in AWS have hyphens where a model type has underscores.
  hyphened = { for name in keys(local.model_types) : name => replace(name, "_", "-") }

  # What the consumer has to know of them, as one variable of its environment: no texts, since a
  # function's environment is small.
  catalogue = {
    for name, type in local.model_types : name => {
      cpu      = type.cpu
      memory   = type.memory
      epochs   = type.epochs
      feedback = try(type.feedback, false)
      hyperparameters = {
        for key, spec in type.hyperparameters : key => {
          for field, value in merge(spec, { default = try(var.default_hyperparameters[name][key], spec.default) }) :
          field => value if field != "description"
        }
      }
    }
  }

  # Defaults for a model type or a hyperparameter that does not exist are somebody's typing error.
  unknown_defaults = flatten([
    for name, defaults in var.default_hyperparameters : [
      for key in keys(defaults) : "${name}.${key}" if !can(local.model_types[name].hyperparameters[key])
    ]
  ])

  # Fargate's sizes: CPU units → memory in MiB.
  fargate_memory = {
    256   = [512, 1024, 2048]
    512   = range(1024, 4096 + 1, 1024)
    1024  = range(2048, 8192 + 1, 1024)
    2048  = range(4096, 16384 + 1, 1024)
    4096  = range(8192, 30720 + 1, 1024)
    8192  = range(16384, 61440 + 1, 4096)
    16384 = range(32768, 122880 + 1, 8192)
  }
}
